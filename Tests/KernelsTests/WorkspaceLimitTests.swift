import Diagnostics
import Testing

@testable import Kernels

@Suite struct WorkspaceLimitTests {
  @Test func aWorkspaceThatIsTooSmallEndsTheProcessWithOneSentence() async throws {
    let result = await #expect(processExitsWith: .exitCode(74), observing: [\.standardErrorContent]) {
      let workspace = Workspace(bytes: 1 << 20)
      let kept = workspace.allocate(1 << 17)
      _ = workspace.allocate(1 << 18)
      withExtendedLifetime(kept) {}
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(
      text.contains(
        "error: activations need at least 0.1 GiB of address space, and 0.1 GiB are available: use a smaller batch, "
          + "shorter sequences, fewer threads or gradient checkpointing, or raise the limit (ulimit -v)\n"))
  }

  @Test func theSentenceRoundsUp() {
    let error = WorkspaceError(needed: 25 << 30, available: 3 << 29)
    #expect(error.description.hasPrefix("activations need at least 25 GiB of address space, and 1.5 GiB are available"))
  }
}
