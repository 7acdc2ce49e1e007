import Foundation
import Kernels
import Testing

/// The real program under real launchers: what ranks make together is what one process makes.
@Suite(.enabled(if: !MPIRun.installed.isEmpty, MPIRun.missing), .serialized)
struct ClusterTrainTests {
  /// Trainable, with 130 rows: a step of 2 × 50 examples has some 8 shards, and the second step of an epoch has 30 rows.
  static func sandbox() throws -> Sandbox {
    let sandbox = try Sandbox.trainable()
    try sandbox.write("data/train.tsv", Sandbox.table(rows: 130, from: 1))
    try sandbox.write("data/dev.tsv", Sandbox.table(rows: 45, from: 1000))
    return sandbox
  }

  static func arguments(_ strategy: String, _ output: String, _ more: [String] = []) -> [String] {
    [
      "train", "config.json", "--output-dir", output, "--database", "\(output).sqlite",
      "--set", "adapter.strategy=\(strategy)", "--set", "adapter.lora_dropout=0.1",
      "--set", "adapter.aslora={\"start_step\": 2, \"merge_interval\": 2, \"num_merges\": 2}",
      "--set", "training.shard_tokens=100", "--set", "training.num_train_epochs=6",
      "--set", "training.train_batch_size=50", "--set", "training.gradient_accumulation_steps=2",
      "--set", "training.max_grad_norm=0.5",
      "--set", "training.eval_strategy=steps", "--set", "training.eval_steps=3", "--set", "training.eval_batch_size=4",
      "--set", "training.logging_steps=2", "--set", "training.save_steps=2",
    ] + more
  }

  /// A run of 500 steps, which can be disturbed.
  static let long = [
    "--set", "training.num_train_epochs=250", "--set", "training.save_steps=7", "--set", "training.eval_steps=100",
    "--set", "training.logging_steps=10",
  ]

  /// Trains in one process, and returns what is to be the same.
  static func alone(_ sandbox: Sandbox, _ strategy: String, _ more: [String] = []) throws -> RunRecords {
    let outcome = try sandbox.start(arguments(strategy, "alone", more + ["--threads", "2", "--quiet"])).finish()
    try #require(outcome.status == 0, "\(outcome.err)")
    return try RunRecords(sandbox, output: "alone", database: "alone.sqlite")
  }

  private func expectEqual(
    _ sandbox: Sandbox, _ launcher: MPIRun, ranks: Int, _ strategy: String, _ expected: RunRecords,
    _ more: [String] = []
  ) throws {
    let output = "\(launcher)-\(ranks)"
    let outcome = try launcher.run(ranks: ranks, Self.arguments(strategy, output, more + ["--quiet"]), in: sandbox)
    try #require(outcome.status == 0, "\(outcome.err)")
    let records = try RunRecords(sandbox, output: output, database: "\(output).sqlite")
    records.expectEqual(expected, "\(strategy), \(ranks) ranks of \(launcher)")
    // Only rank 0 speaks.
    #expect(outcome.out.split(separator: "\n").filter { $0.hasPrefix("run ") }.count == 1)
    let optimizer = "checkpoints/step-00000012/optimizer.safetensors"
    #expect(try sandbox.read("\(output)/\(optimizer)") == sandbox.read("alone/\(optimizer)"))
  }

  @Test(arguments: ["lora", "share-ab", "aslora"]) func anyNumberOfRanksTrainsTheSame(strategy: String) throws {
    let sandbox = try Self.sandbox(), expected = try Self.alone(sandbox, strategy)
    for launcher in MPIRun.installed {
      for ranks in launcher == .openMPI ? [2, 3, 4, 8] : [2] {
        try expectEqual(sandbox, launcher, ranks: ranks, strategy, expected)
      }
    }
  }

  @Test(arguments: RunPrecision.tested.filter { $0 != .float32 }) func soInOtherPrecisions(_ precision: RunPrecision)
    throws
  {
    let sandbox = try Self.sandbox(), more = ["--set", "training.precision=\(precision.rawValue)"]
    let expected = try Self.alone(sandbox, "share-a", more)
    for launcher in MPIRun.installed {
      try expectEqual(sandbox, launcher, ranks: 2, "share-a", expected, more)
    }
  }

  /// A batch of one shard: the ranks without one wait, and say so.
  @Test(arguments: MPIRun.installed) func moreRanksThanShards(launcher: MPIRun) throws {
    let sandbox = try Self.sandbox()
    let more = [
      "--set", "training.train_batch_size=5", "--set", "training.num_train_epochs=1",
      "--set", "training.shard_tokens=1000",
    ]
    let expected = try Self.alone(sandbox, "lora", more)
    let output = "many", outcome = try launcher.run(ranks: 2, Self.arguments("lora", output, more), in: sandbox)
    try #require(outcome.status == 0, "\(outcome.err)")
    try RunRecords(sandbox, output: output, database: "\(output).sqlite").expectEqual(expected, "two ranks, one shard")
    #expect(outcome.err.contains("note: a step has 1 shard, so only 1 of "))
  }

  /// What another rank has to say is shown by rank 0, unless it is to be quiet.
  @Test(arguments: MPIRun.installed)
  func otherRanksHaveNotes(launcher: MPIRun) throws {
    let sandbox = try Self.sandbox(), host = ProcessInfo.processInfo.hostName.split(separator: ".").first ?? ""
    for (output, more) in [("noted", []), ("quiet", ["--quiet"])] {
      let arguments = Self.arguments("lora", output, ["--set", "training.max_steps=1", "--mixed-machines"] + more)
      let outcome = try launcher.run(
        [
          MPIRun.Group(ranks: 1, arguments: arguments),
          MPIRun.Group(ranks: 1, environment: ["OPENBLAS_CORETYPE": "Nehalem"], arguments: arguments),
        ], in: sandbox)
      #expect(outcome.status == 0, "\(outcome.err)")
      let notes = outcome.errorLines.filter { $0.contains("OPENBLAS_CORETYPE=Nehalem") }
      #expect(notes.count == (more.isEmpty ? 1 : 0), "\(outcome.err)")
      for note in notes { #expect(note.hasPrefix("rank 1 on \(host): "), "\(outcome.err)") }
    }
  }

  /// Scores, predictions and texts are those of one process.
  @Test(arguments: MPIRun.installed) func otherVerbsShareTheirWork(launcher: MPIRun) throws {
    let sandbox = try Self.sandbox()
    _ = try Self.alone(sandbox, "lora")
    let lines = (0..<50).map { "the film is \($0 % 3 == 0 ? "good" : "not great")" }.joined(separator: "\n")
    try sandbox.write("lines.txt", lines + "\n")
    for verb in [
      ["eval", "alone", "--json"], ["predict", "alone", "lines.txt"], ["predict", "alone", "data/dev.tsv"],
    ] {
      let one = try sandbox.start(verb).finish(), scores = try sandbox.read("alone/eval_results.json")
      let several = try launcher.run(ranks: 2, verb, in: sandbox)
      #expect(one.status == 0 && several.status == 0, "\(several.err)")
      #expect(one.out == several.out && !one.out.isEmpty)
      #expect(try sandbox.read("alone/eval_results.json") == scores)
    }
    let decoder = try Sandbox.trainable("decoders/gpt2-tiny")
    for options in [["--json"], ["--num-beams", "3"], ["--temperature", "0.7", "--top-p", "0.9"]] {
      let verb =
        ["generate", "model", "--max-new-tokens", "6"] + options
        + (0..<7).flatMap { ["--prompt", String(repeating: "a story ", count: 1 + $0 % 3)] }
      let one = try decoder.start(verb).finish(), several = try launcher.run(ranks: 2, verb, in: decoder)
      #expect(one.status == 0 && several.status == 0, "\(several.err)")
      #expect(one.out == several.out && !one.out.isEmpty)
    }
  }

  // MARK: - Stops and kills

  /// Stopped by a signal to one rank, and continued with other numbers of ranks.
  ///
  /// The launcher would forward the signal, but inherits the blocked signals of the thread that runs this test.
  @Test(arguments: MPIRun.installed) func aStoppedRunGoesOnWithAnyNumberOfRanks(launcher: MPIRun) throws {
    let sandbox = try Self.sandbox(), more = Self.long
    let expected = try Self.alone(sandbox, "aslora", more)
    let arguments = Self.arguments("aslora", "run", more + ["--resume"])
    for ranks in [2, 1] {
      let command = try launcher.start(ranks: ranks, arguments, in: sandbox)
      command.waitForError("/500")
      let stopped = try #require(try sandbox.processes().filter(Self.isRank).max())
      kill(stopped, SIGUSR1)
      let (outcome, _) = try command.finishOrDie()
      // MPICH's launcher does not always pass on the status of its processes.
      if launcher == .openMPI || outcome.status != 0 { #expect(outcome.status == 138, "\(outcome.err)") }
      #expect(!sandbox.exists("run/.lock") && !sandbox.exists("run/checkpoints/step-00000500"))
    }
    let outcome = try launcher.run(ranks: 2, arguments, in: sandbox)
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(outcome.err.contains("note: resumed after step "))
    try RunRecords(sandbox, output: "run", database: "run.sqlite").expectEqual(expected, "a stopped run")
    let again = try launcher.run(ranks: 2, arguments, in: sandbox)
    #expect(again.status == 0 && again.err.contains("the run is complete: there is nothing to do"))
  }

  /// A rank that is killed ends all; the run goes on from its checkpoint on any number of ranks.
  ///
  ///     CLUSTER_KILLS=30 KILL_SEED=7 swift test --filter killedRanks
  @Test func killedRanks() throws {
    let launcher = try #require(MPIRun.installed.first)
    let kills = ProcessInfo.processInfo.environment["CLUSTER_KILLS"].flatMap(Int.init) ?? 6
    var random = SplitMix(state: KillTests.seed)
    let sandbox = try Self.sandbox(), more = Self.long
    let expected = try Self.alone(sandbox, "aslora", more)
    let arguments = Self.arguments("aslora", "run", more + ["--resume"])
    var done = 0
    while done < kills {
      let ranks = Int.random(in: 2...4, using: &random)
      let command = try launcher.start(ranks: ranks, arguments, in: sandbox)
      command.waitForError("/500")
      usleep(UInt32.random(in: 0..<1_000_000, using: &random))
      let processes = try sandbox.processes().filter(Self.isRank)
      guard let victim = processes.randomElement(using: &random), kill(victim, SIGKILL) == 0 else {
        // It ended before it could be killed.
        let outcome = try command.finish()
        try #require(outcome.status == 0, "\(outcome.err)")
        try RunRecords(sandbox, output: "run", database: "run.sqlite").expectEqual(expected, "after \(done) kills")
        try FileManager.default.removeItem(atPath: sandbox.place("run"))
        try FileManager.default.removeItem(atPath: sandbox.place("run.sqlite"))
        continue
      }
      done += 1
      _ = try command.finishOrDie()
      #expect(try sandbox.processes().filter(Self.isRank) == [], "left over after kill \(done)")
    }
    let outcome = try launcher.run(ranks: 3, arguments, in: sandbox)
    #expect(outcome.status == 0, "\(outcome.err)")
    try RunRecords(sandbox, output: "run", database: "run.sqlite").expectEqual(expected, "a run with \(kills) kills")
  }

  /// Whether a process is one of ours rather than a launcher's.
  private static func isRank(_ process: pid_t) -> Bool {
    let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/exe")
    return program?.hasSuffix("/swift-peft") ?? false
  }

  // MARK: - Bad input

  private func expectRefused(
    _ launcher: MPIRun, _ groups: [[String]], status: Int32, says texts: (String) -> [String]
  ) throws {
    let sandbox = try Self.sandbox()
    // A model with one other bit.
    var weights = try sandbox.read("model/model.safetensors")
    weights[weights.endIndex - 64] ^= 1
    for file in try FileManager.default.contentsOfDirectory(atPath: sandbox.place("model")) {
      try sandbox.write("other/\(file)", file == "model.safetensors" ? weights : sandbox.read("model/\(file)"))
    }
    let outcome = try launcher.run(
      groups.map { MPIRun.Group(ranks: 1, arguments: Self.arguments("lora", "run", $0)) }, in: sandbox)
    let host = ProcessInfo.processInfo.hostName.split(separator: ".").first.map(String.init) ?? ""
    let lines = outcome.errorLines.filter { $0.hasPrefix("swift-peft: error: ") }
    #expect(outcome.status == status)
    #expect(lines.map(String.init) == texts(host).map { "swift-peft: error: \($0)" })
    #expect(!sandbox.exists("run/checkpoints") && outcome.out.isEmpty)
  }

  @Test(arguments: MPIRun.installed) func ranksThatDifferAreRefused(launcher: MPIRun) throws {
    try expectRefused(launcher, [[], ["--set", "training.seed=43", "--set", "task.max_train_samples=99"]], status: 65) {
      [
        "rank 1 on \($0) has other examples than rank 0 on \($0)",
        "rank 1 on \($0) has another config: task.max_train_samples, training.seed",
      ]
    }
    try expectRefused(launcher, [[], ["--set", "model=other"]], status: 65) {
      ["rank 1 on \($0) has other model files than rank 0 on \($0)", "rank 1 on \($0) has another config: model"]
    }
    try expectRefused(launcher, [[], ["--set", "model=no-model"]], status: 66) {
      ["rank 1 on \($0): no-model/config.json: No such file or directory"]
    }
    try expectRefused(launcher, [[], ["--set", "task.data_dir=nowhere"]], status: 66) {
      ["rank 1 on \($0): nowhere/train.tsv: no such file; looked for the train split of sst2"]
    }
    try expectRefused(launcher, [["--set", "model=no-model"], ["--set", "model=no-model"]], status: 66) { _ in
      ["no-model/config.json: No such file or directory"]
    }
  }

  /// Ranks must be started alike; what is wrong with one is said with its name.
  @Test(arguments: MPIRun.installed) func otherCommandsAreRefused(launcher: MPIRun) throws {
    let sandbox = try Self.sandbox(), arguments = Self.arguments("lora", "run")
    _ = try Self.alone(sandbox, "lora")
    func errors(_ other: [String], status: Int32) throws -> [String] {
      let groups = [arguments, other].map { MPIRun.Group(ranks: 1, arguments: $0) }
      let outcome = try launcher.run(groups, in: sandbox)
      #expect(outcome.status == status, "\(outcome.err)")
      #expect(!sandbox.exists("run/checkpoints"))
      return outcome.errorLines.filter { $0.hasPrefix("swift-peft: error: ") }.map(String.init)
    }
    for (other, says) in [
      (["eval", "alone"], "runs eval"), (arguments + ["--dry-run"], "runs train --dry-run"),
      (arguments + ["--resume"], "runs train --resume"),
    ] {
      let lines = try errors(other, status: 65)
      #expect(lines.count == 1)
      #expect(lines.first?.hasPrefix("swift-peft: error: rank 1 on ") == true)
      #expect(lines.first?.contains(" \(says), rank 0 on ") == true)
    }
    let lines = try errors(arguments + ["--resme"], status: 64)
    #expect(lines.count == 1)
    #expect(lines.first?.contains("Unknown option '--resme'") == true)
  }

  @Test(arguments: MPIRun.installed) func aTakenDirectoryIsRefusedOnce(launcher: MPIRun) throws {
    let sandbox = try Self.sandbox()
    _ = try Self.alone(sandbox, "lora")
    let outcome = try launcher.run(ranks: 2, Self.arguments("lora", "alone"), in: sandbox)
    #expect(outcome.status == 73)
    #expect(outcome.errorLines.filter { $0.contains("already holds a run") }.count == 1)
  }
}
