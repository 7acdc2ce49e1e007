import Foundation
import RunStore
import Testing

/// Kills training runs with SIGKILL at random moments and resumes them, each time with another number of threads: in
/// the end everything is as if nothing had happened.
///
///     KILLS=50 KILL_SEED=7 swift test --filter KillTests
@Suite(.serialized) struct KillTests {
  static let kills = ProcessInfo.processInfo.environment["KILLS"].flatMap(Int.init) ?? 20
  static let seed = ProcessInfo.processInfo.environment["KILL_SEED"].flatMap(UInt64.init) ?? 1

  private static let steps = 240

  /// So many steps; checkpoints, log lines, evaluations, epochs and merges all at steps of their own.
  private func arguments(_ strategy: String, _ output: String, _ database: String) -> [String] {
    [
      "train", "config.json", "--quiet", "--output-dir", output, "--database", database,
      "--set", "adapter.strategy=\(strategy)", "--set", "adapter.lora_dropout=0.1",
      "--set", "adapter.aslora={\"start_step\": 10, \"merge_interval\": 30, \"num_merges\": 2}",
      "--set", "training.num_train_epochs=30", "--set", "training.train_batch_size=4",
      "--set", "training.gradient_accumulation_steps=2", "--set", "training.learning_rate=5e-3",
      "--set", "training.logging_steps=4", "--set", "training.save_steps=3",
      "--set", "training.eval_strategy=steps", "--set", "training.eval_steps=7",
      "--set", "training.load_best_model_at_end=true",
    ]
  }

  @Test(arguments: ["lora", "share-ab", "aslora"])
  func aKilledRunEndsAsOneThatWasNot(strategy: String) throws {
    let sandbox = try Sandbox.trainable()
    let clock = ContinuousClock(), started = clock.now
    let undisturbed = try sandbox.start(arguments(strategy, "whole", "whole.sqlite")).finish()
    try #require(undisturbed.status == 0, "\(undisturbed.err)")
    let length =
      Double((clock.now - started).components.attoseconds) * 1e-18 + Double((clock.now - started).components.seconds)
    let expected = try RunRecords(sandbox, output: "whole", database: "whole.sqlite")

    var random = SplitMix(state: Self.seed &+ UInt64(strategy.count))
    var kills = 0, lives = 0, run = 0, stepsAtKill: [Int] = []
    // Long enough to get somewhere on average, short enough for many kills before the end. Adapted after every life: a
    // machine that other work has made slower would otherwise start a run twenty times and see no step of it.
    var longest = 0.15 + 2.5 * length / Double(Self.kills), before = 0
    while kills < Self.kills {
      let output = "run-\(run)", database = "run-\(run).sqlite"
      lives += 1
      let command = try sandbox.start(
        arguments(strategy, output, database) + ["--resume", "--threads", "\(1 + lives % 3)"])
      Thread.sleep(forTimeInterval: longest * Double.random(in: 0..<1, using: &random))
      if command.isRunning, command.killHard() {
        kills += 1
        let newest = Self.newestStep(sandbox, output)
        longest *= newest - before < max(1, 2 * Self.steps / Self.kills) ? 1.4 : 0.7
        stepsAtKill.append(newest)
        before = newest
        continue
      }
      try check(sandbox, command, strategy, run, expected)
      run += 1
      longest *= 0.7
      before = 0
    }
    let command = try sandbox.start(arguments(strategy, "run-\(run)", "run-\(run).sqlite") + ["--resume"])
    try check(sandbox, command, strategy, run, expected)
    print("\(strategy): \(kills) kills in \(run + 1) runs, newest checkpoints at them: \(stepsAtKill)")
    #expect(Set(stepsAtKill).count > 3, "the kills came too early to say anything: \(stepsAtKill)")
  }

  private func check(
    _ sandbox: Sandbox, _ command: Command, _ strategy: String, _ run: Int, _ expected: RunRecords
  ) throws {
    let outcome = try command.finish()
    try #require(outcome.status == 0, "\(outcome.err)")
    let records = try RunRecords(sandbox, output: "run-\(run)", database: "run-\(run).sqlite")
    records.expectEqual(expected, "\(strategy), run \(run)")

    let folder = "run-\(run)/checkpoints"
    let names = try FileManager.default.contentsOfDirectory(atPath: sandbox.place(folder)).sorted()
    #expect(names == ["step-00000237", "step-00000240"], "\(names)")
    let store = try RunStore.openExisting(path: sandbox.place("run-\(run).sqlite"))
    #expect(try store.checkpoints(run: 1).map(\.path) == names.map { "\(folder)/\($0)" })
    let hidden = try FileManager.default.subpathsOfDirectory(atPath: sandbox.place("run-\(run)"))
      .filter { $0.split(separator: "/").contains { $0.hasPrefix(".") } }
    #expect(hidden == [".run.json"], "left behind: \(hidden)")
  }

  private static func newestStep(_ sandbox: Sandbox, _ output: String) -> Int {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: sandbox.place("\(output)/checkpoints"))) ?? []
    return names.compactMap { $0.hasPrefix("step-") ? Int($0.dropFirst(5)) : nil }.max() ?? 0
  }
}

/// Random numbers that are the same on every machine.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
