import Foundation
import Testing

/// What one reads, and with which status all ranks end, where training in several processes fails.
@Suite(.enabled(if: !MPIRun.installed.isEmpty, MPIRun.missing), .serialized)
struct ClusterFailureTests {
  private func errors(_ outcome: Outcome) -> [String] {
    outcome.errorLines.filter { $0.hasPrefix("swift-peft: error: ") }.map { String($0.dropFirst(19)) }
  }

  @Test(arguments: MPIRun.installed) func whatAllHaveIsShownOnce(launcher: MPIRun) throws {
    let outcome = try launcher.run(ranks: 2, ["train", "absent.json"], in: Sandbox())
    #expect(outcome.status == 66)
    #expect(errors(outcome) == ["absent.json: no such file"])
  }

  @Test(arguments: MPIRun.installed) func whatOneHasIsShownWithItsHost(launcher: MPIRun) throws {
    let host = try String(contentsOfFile: "/proc/sys/kernel/hostname", encoding: .utf8).dropLast()
    let sandbox = try Sandbox.trainable()
    let groups = ["config.json", "absent.json"].map { MPIRun.Group(ranks: 1, arguments: ["train", $0]) }
    let outcome = try launcher.run(groups, in: sandbox)
    #expect(outcome.status == 66)
    #expect(errors(outcome) == ["rank 1 on \(host): absent.json: no such file"])
    #expect(!sandbox.exists("run"))
  }

  /// A rank that was stopped keeps the other from going on: the watchdog ends both.
  @Test(arguments: MPIRun.installed) func aRankThatStopsEndsAll(launcher: MPIRun) throws {
    let sandbox = try Sandbox.trainable(), arguments = ["train", "config.json", "--set", "training.max_steps=1000000"]
    let groups = [
      MPIRun.Group(ranks: 1, arguments: arguments),
      MPIRun.Group(
        ranks: 1, arguments: ["-c", "echo $$ > pid; exec \"$0\" \"$@\"", try Tool.path()] + arguments, program: "sh"),
    ]
    let command = try launcher.start(groups, in: sandbox, environment: ["SWIFT_PEFT_MPI_TIMEOUT": "5"])
    command.waitForError("step 5/")
    let text = try sandbox.text("pid").trimmingCharacters(in: .whitespacesAndNewlines)
    kill(try #require(Int32(text)), SIGSTOP)
    let outcome = try command.finish()
    #expect(outcome.status == 74, "\(outcome.err)")
    let lines = errors(outcome)
    #expect(
      lines.contains { $0.hasPrefix("rank 0 has waited ") && $0.contains(" s for the others in step ") },
      "\(outcome.err)")
  }
}
