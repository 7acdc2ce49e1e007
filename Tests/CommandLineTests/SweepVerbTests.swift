import Foundation
import RunStore
import StrictJSON
import Testing

/// `swift-peft sweep` on the tiny model.
@Suite struct SweepVerbTests {
  static func sandbox(epochs: Int = 1) throws -> Sandbox {
    let sandbox = try Sandbox.trainable()
    try sandbox.write(
      "sweep.json",
      """
      {
        "name": "tiny", "model": "model", "task": { "name": "sst2", "data_dir": "data", "max_seq_length": 32 },
        "adapter": { "r": 2, "aslora": { "start_step": 0, "merge_interval": 2, "num_merges": 2 } },
        "training": { "num_train_epochs": \(epochs), "train_batch_size": 8, "logging_steps": 1 },
        "sweep": { "adapter.strategy": ["lora", "aslora"], "training.seed": [1, 2] },
        "output_dir": "runs/tiny"
      }
      """)
    return sandbox
  }

  static let labels = [
    "strategy-lora_seed-1", "strategy-lora_seed-2", "strategy-aslora_seed-1", "strategy-aslora_seed-2",
  ]

  private func adapters(_ sandbox: Sandbox) throws -> [Data] { try Self.adapters(sandbox) }

  /// The adapters of all runs.
  static func adapters(_ sandbox: Sandbox) throws -> [Data] {
    try labels.map { try sandbox.read("runs/tiny/\($0)/adapter_model.safetensors") }
  }

  @Test(arguments: [1, 3]) func trainsEveryCombinationAndTabulates(jobs: Int) throws {
    let sandbox = try Self.sandbox()
    let outcome = try sandbox.run("sweep", "sweep.json", "--json", "--jobs", String(jobs))
    #expect(outcome.status == 0, "\(outcome.err)")
    let json = try outcome.json()
    #expect(json["runs"]?.array?.map { $0["label"]?.string } == Self.labels)
    #expect(json["runs"]?.array?.allSatisfy { $0["status"]?.string == "completed" } == true)
    let results = json["results"]?.array
    #expect(results?.map { $0["label"]?.string } == ["lora", "aslora"])
    #expect(results?.allSatisfy { $0["metrics"]?["accuracy"]?["count"]?.integer == 2 } == true)
    #expect((results?[0]["adapter_parameters"]?.integer ?? 0) > (results?[1]["adapter_parameters"]?.integer ?? 0))
    #expect(try sandbox.text("runs/tiny/sweep_results.json") == outcome.out)
    #expect(outcome.err.contains("4/4 strategy-"))

    let alone = try sandbox.run(
      "train", "runs/tiny/configs/strategy-aslora_seed-2.json", "--output-dir", "alone", "--database", "other.sqlite")
    #expect(alone.status == 0)
    #expect(try sandbox.read("alone/adapter_model.safetensors") == adapters(sandbox)[3], "as a run of its own")

    let again = try sandbox.run("sweep", "sweep.json")
    #expect(again.status == 0 && again.err == "4 of 4 runs are already complete\n")
    #expect(again.out.contains("lora        2  0.") && again.out.contains(" ± "))
    #expect(try RunStore.openExisting(path: sandbox.place("runs/swift-peft.sqlite")).runs().count == 4)
  }

  @Test func whatWasKilledGoesOn() throws {
    let whole = try Self.sandbox(epochs: 3)
    #expect(try whole.run("sweep", "sweep.json").status == 0)

    let sandbox = try Self.sandbox(epochs: 3)
    let killed = try sandbox.start(["sweep", "sweep.json"])
    killed.waitForError("training strategy-aslora_seed-1")
    killed.send(SIGKILL)
    try killed.finishKilled()
    #expect(!sandbox.exists("runs/tiny/sweep_results.json"))
    let kept = try sandbox.read("runs/tiny/strategy-lora_seed-1/adapter_model.safetensors")
    try waitForOrphans(of: sandbox)
    // As if the kill had come while these were written.
    for folder in ["", "configs/"] { try sandbox.write("runs/tiny/\(folder).swift-peft-\(killed.pid)-a.tmp", "{") }

    let again = try sandbox.run("sweep", "sweep.json")
    #expect(again.status == 0, "\(again.err)")
    // The run at work at the kill may have been short enough to end by itself; none of the complete ones starts again.
    #expect(
      again.err.hasPrefix("2 of 4 runs are already complete\ntraining strategy-aslora_seed-1\n")
        || again.err.hasPrefix("3 of 4 runs are already complete\ntraining strategy-aslora_seed-2\n"), "\(again.err)")
    #expect(try adapters(sandbox) == adapters(whole))
    #expect(try sandbox.read("runs/tiny/strategy-lora_seed-1/adapter_model.safetensors") == kept)
    #expect(try sandbox.listing().allSatisfy { !$0.contains(".swift-peft-") })
  }

  /// Slurm sends a signal to the sweep and to the processes of its runs.
  @Test(arguments: [(SIGINT, Int32(130), false), (SIGTERM, Int32(143), true), (SIGUSR1, Int32(138), true)])
  func aSignalStopsAllRunsWithTheirFilesWritten(signal: Int32, status: Int32, toAll: Bool) throws {
    let sandbox = try Self.sandbox(epochs: 100_000)
    let command = try sandbox.start(["sweep", "sweep.json", "--jobs", "2"])
    command.waitForError("training strategy-lora_seed-2")
    wait(seconds: 300) { (try? store(sandbox).metrics(run: 2).isEmpty) == false }
    let runs = try sandbox.processes().filter { $0 != command.pid }
    #expect(runs.count == 2)
    command.send(signal)
    if toAll { runs.forEach { kill($0, signal) } }
    let outcome = try command.finish()
    #expect(outcome.status == status)
    for label in Self.labels.prefix(2) {
      #expect(sandbox.exists("runs/tiny/\(label)/adapter_model.safetensors"))
      #expect(!sandbox.exists("runs/tiny/\(label)/.lock"))
    }
    #expect(
      outcome.err.contains("strategy-lora_seed-1 was stopped\n")
        && outcome.err.contains("stopped; repeat the command to continue\n"))
    #expect(try store(sandbox).runs().map(\.status) == [.interrupted, .interrupted])
    #expect(!outcome.out.isEmpty && sandbox.exists("runs/tiny/sweep_results.json"))
  }

  /// Nothing that a sweep started outlives it.
  private func waitForOrphans(of sandbox: Sandbox) throws {
    try wait(seconds: 10) { try sandbox.processes().isEmpty }
    #expect(try sandbox.processes().isEmpty, "a run of the killed sweep is still there")
  }

  private func store(_ sandbox: Sandbox) throws -> RunStore {
    try RunStore.openExisting(path: sandbox.place("runs/swift-peft.sqlite"))
  }

  @Test func aRunThatFailsLeavesTheOthersAlone() throws {
    let sandbox = try Self.sandbox()
    try sandbox.write("runs/tiny/strategy-lora_seed-2", "in the way")
    let outcome = try sandbox.run("sweep", "sweep.json", "--json")
    #expect(outcome.status == 73)
    #expect(outcome.err.contains("strategy-lora_seed-2: swift-peft: error: runs/tiny/strategy-lora_seed-2: cannot be"))
    #expect(outcome.err.hasSuffix("swift-peft: error: 1 of 4 runs failed\n"))
    #expect(try outcome.json()["results"]?.array?.first?["completed"]?.integer == 1)
  }

  @Test func anotherConfigsRunsAreKept() throws {
    let sandbox = try Self.sandbox()
    #expect(try sandbox.run("sweep", "sweep.json").status == 0)
    let before = try adapters(sandbox)
    let refused = try sandbox.run("sweep", "sweep.json", "--set", "training.learning_rate=1e-3")
    #expect(refused.status == 73 && refused.errorLines.count == 4 && refused.err.contains("--overwrite"))
    #expect(try adapters(sandbox) == before)
    #expect(try sandbox.run("sweep", "sweep.json", "--set", "training.learning_rate=1e-3", "--overwrite").status == 0)
    #expect(try adapters(sandbox)[0] != before[0])
  }

  @Test func aDryRunWritesNothing() throws {
    let sandbox = try Self.sandbox()
    let before = try sandbox.listing()
    let outcome = try sandbox.run("sweep", "sweep.json", "--dry-run", "--jobs", "2")
    #expect(outcome.status == 0 && outcome.out.contains("4 runs to train, 2 in parallel"))
    #expect(try sandbox.run("sweep", "sweep.json", "--set", "adapter.r=99999").status == 65)
    #expect(try sandbox.run("sweep", "config.json").status == 65)
    #expect(try sandbox.run("train", "sweep.json").err.contains("swift-peft sweep"))
    #expect(try sandbox.run("sweep", "sweep.json", "--jobs", "0").status == 64)
    #expect(try sandbox.run("sweep", "none.json").status == 66)
    #expect(try sandbox.listing() == before)
  }
}

extension Command {
  /// Waits for the end of a process that was killed.
  func finishKilled() throws {
    wait(seconds: 60) { !isAlive }
  }
}
