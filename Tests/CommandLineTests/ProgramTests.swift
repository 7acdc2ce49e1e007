import StrictJSON
import Testing

@Suite struct ProgramTests {
  @Test func versionAndHelp() throws {
    let sandbox = try Sandbox()
    let version = try sandbox.run("--version")
    #expect(version.status == 0 && version.out == "swift-peft 0.1.0\n")
    for verb in ["train", "eval", "compare-params", "predict", "tokenize", "doctor"] {
      let help = try sandbox.run(verb, "--help")
      #expect(help.status == 0 && help.err.isEmpty && help.out.contains("EXAMPLE: "))
    }
  }

  @Test func doctor() throws {
    let outcome = try Sandbox().run("doctor", "--json")
    #expect(outcome.status == 0)
    let json = try outcome.json()
    #expect((json["gemm_gflops"]?.number ?? 0) > 0 && (json["processors"]?.integer ?? 0) > 0)
    #expect(json["blas"]?["core"]?.string?.isEmpty == false)
  }

  @Test func aPinnedCoreIsMentioned() throws {
    let sandbox = try Sandbox.trainable()
    let outcome = try sandbox.shell("OPENBLAS_CORETYPE=Nehalem \"$TOOL\" train config.json")
    #expect(outcome.status == 0)
    let lines = outcome.errorLines.filter { $0.contains("OPENBLAS_CORETYPE=Nehalem") }
    #expect(lines.count == 1 && lines[0].contains("GFLOP/s"))
  }
}
