import Foundation
import Testing

/// Under real launchers: ranks score, predict and generate together only if they have the same.
@Suite(.enabled(if: !MPIRun.installed.isEmpty, MPIRun.missing), .serialized)
struct ClusterScoringTests {
  /// A sandbox with a run in `alone`.
  private func sandbox() throws -> Sandbox {
    let sandbox = try ClusterTrainTests.sandbox()
    _ = try ClusterTrainTests.alone(sandbox, "lora")
    return sandbox
  }

  private let host = ProcessInfo.processInfo.hostName.split(separator: ".").first.map(String.init) ?? ""

  /// Runs the command lines on a rank each, and expects the status and, once, the sentence.
  private func expect(
    _ launcher: MPIRun, _ commands: [[String]], in sandbox: Sandbox, status: Int32, says text: String
  ) throws {
    let groups = commands.map { MPIRun.Group(ranks: 1, arguments: $0) }
    let outcome = try launcher.run(groups, in: sandbox)
    let lines = outcome.errorLines.filter { $0.hasPrefix("swift-peft: error: ") }.map(String.init)
    #expect(outcome.status == status, "\(outcome.err)")
    #expect(lines == ["swift-peft: error: \(text)"])
  }

  @Test(arguments: MPIRun.installed) func ranksThatDifferAreRefused(launcher: MPIRun) throws {
    let sandbox = try sandbox(), evaluation = ["eval", "alone"]
    try expect(
      launcher, [evaluation, evaluation + ["--set", "training.seed=1"]], in: sandbox, status: 65,
      says: "rank 1 on \(host) has another config: training.seed")
    try sandbox.write("other/dev.tsv", Sandbox.table(rows: 45, from: 2000))
    let files = ["data", "other"].map { evaluation + ["--set", "task.validation_file=\($0)/dev.tsv"] }
    try expect(
      launcher, files, in: sandbox, status: 65,
      says: "rank 1 on \(host) has another config: task.validation_file")
    try sandbox.write("a.txt", "the film is good\n")
    try sandbox.write("b.txt", "the film is bad\n")
    try expect(
      launcher, [["predict", "alone", "a.txt"], ["predict", "alone", "b.txt"]], in: sandbox, status: 65,
      says: "rank 1 on \(host) has other texts than rank 0 on \(host)")
  }

  @Test(arguments: MPIRun.installed) func promptsMustBeTheSame(launcher: MPIRun) throws {
    let sandbox = try Sandbox.trainable("decoders/gpt2-tiny")
    let commands = ["a story", "the film"].map {
      ["generate", "model", "--prompt", $0, "--prompt", "not", "--max-new-tokens", "2"]
    }
    try expect(
      launcher, commands, in: sandbox, status: 65,
      says: "rank 1 on \(host) has other prompts or options than rank 0 on \(host)")
    let seeds = ["1", "2"].map {
      ["generate", "model", "--prompt", "a", "--prompt", "b", "--top-k", "3", "--seed", $0]
    }
    try expect(
      launcher, seeds, in: sandbox, status: 65,
      says: "rank 1 on \(host) has other prompts or options than rank 0 on \(host)")
  }

  /// What all ranks have alike is said once.
  @Test(arguments: MPIRun.installed) func commonErrorsAreShownOnce(launcher: MPIRun) throws {
    let sandbox = try Sandbox.trainable("decoders/gpt2-tiny")
    try sandbox.write("model/config.json", Data("{".utf8))
    let outcome = try launcher.run(ranks: 2, ["generate", "model", "--prompt", "a"], in: sandbox)
    #expect(outcome.status == 65)
    #expect(outcome.errorLines.filter { $0.hasPrefix("swift-peft: error: ") }.count == 1)
  }

  /// A run that is not finished is scored with one checkpoint, that which rank 0 chose.
  @Test(arguments: MPIRun.installed) func unfinishedRunsAreScoredAlike(launcher: MPIRun) throws {
    let sandbox = try sandbox()
    for file in ["adapter_model.safetensors", "adapter_config.json"] {
      try FileManager.default.removeItem(atPath: sandbox.place("alone/\(file)"))
    }
    let one = try sandbox.start(["eval", "alone", "--json"]).finish()
    let several = try launcher.run(ranks: 2, ["eval", "alone", "--json"], in: sandbox)
    #expect(one.status == 0 && several.status == 0, "\(several.err)")
    #expect(one.out == several.out && !one.out.isEmpty)
  }
}
