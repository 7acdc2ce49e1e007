import Foundation
import Kernels
import RunStore
import StrictJSON
import Testing

/// `--resume`, signals and locks, as a person meets them.
@Suite struct LifeCycleTests {
  /// Long enough to be interrupted: 400 steps unless told otherwise, everything at steps of its own.
  static func long(_ output: String = "run", _ more: String...) -> [String] {
    [
      "train", "config.json", "--output-dir", output, "--database", "\(output).sqlite",
      "--set", "adapter.strategy=aslora", "--set", "adapter.lora_dropout=0.1", "--set", "training.num_train_epochs=50",
      "--set", "training.save_steps=7", "--set", "training.logging_steps=3", "--set", "training.eval_strategy=steps",
      "--set", "training.eval_steps=40",
    ] + more
  }

  @Test(arguments: [(SIGINT, Int32(130)), (SIGTERM, Int32(143)), (SIGHUP, Int32(129)), (SIGUSR1, Int32(138))])
  func aStoppedRunGoesOnAsIfNothingHadHappened(signal: Int32, status: Int32) throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.start(Self.long("whole")).finish().status == 0)
    let command = try sandbox.start(Self.long())
    command.waitForError("step 60/400 ")
    command.send(signal)
    let outcome = try command.finish()
    #expect(outcome.status == status, "\(outcome.err)")
    let stopped = try RunStore.openExisting(path: sandbox.place("run.sqlite")).run(1)
    #expect(stopped.status == .interrupted && stopped.finishedAt != nil)
    #expect(try sandbox.run("eval", "run", "--quiet").status == 0)

    let resumed = try sandbox.start(Self.long() + ["--resume", "--threads", "1"]).finish()
    #expect(resumed.status == 0 && resumed.err.contains("note: resumed after step "), "\(resumed.err)")
    let whole = try RunRecords(sandbox, output: "whole", database: "whole.sqlite")
    let records = try RunRecords(sandbox, output: "run", database: "run.sqlite")
    #expect(records.adapter == whole.adapter && records.adapterConfig == whole.adapterConfig)
    #expect(records.results == whole.results && records.merges == whole.merges && records.status == .completed)
    // `eval` added the scores of the adapter as it was when the run was stopped.
    let between = records.metrics.filter { !whole.metrics.contains($0) }
    #expect(between.allSatisfy { $0.split == .validation && $0.step % 40 != 0 })
    #expect(records.metrics.filter { whole.metrics.contains($0) } == whole.metrics)
  }

  /// A signal handler that ran on a computing thread has crashed runs.
  @Test func theTrainingThreadTakesNoStopSignals() throws {
    let sandbox = try Sandbox.trainable(), command = try sandbox.start(Self.long())
    command.waitForError("step 6/400 ")
    let takers = try [SIGINT, SIGTERM, SIGHUP, SIGUSR1].map { try command.threads(taking: $0) }
    command.send(SIGTERM)
    #expect(try command.finish().status == 143)
    #expect(takers.allSatisfy { !$0.isEmpty && !$0.contains(command.id) }, "\(command.id): \(takers)")
  }

  @Test(arguments: RunPrecision.tested)
  func aSecondSignalEndsItAtOnceAndTheLastCheckpointIsWhole(precision: RunPrecision) throws {
    let sandbox = try Sandbox.trainable()
    let precision = ["--set", "training.precision=\(precision.rawValue)"]
    #expect(try sandbox.start(Self.long("whole") + precision).finish().status == 0)
    let command = try sandbox.start(Self.long() + precision)
    command.waitForError("step 60/400 ")
    for _ in 0..<2 { command.send(SIGTERM) }
    #expect(try command.finish().status == 143)
    let resumed = try sandbox.start(Self.long() + precision + ["--resume", "--threads", "1"]).finish()
    #expect(resumed.status == 0 && !resumed.err.contains("damaged"), "\(resumed.err)")
    try RunRecords(sandbox, output: "run", database: "run.sqlite")
      .expectEqual(RunRecords(sandbox, output: "whole", database: "whole.sqlite"), "run stopped by two signals")
  }

  /// A launcher and a sweep may both pass SIGUSR1 on, and Slurm's SIGTERM follows it.
  @Test func manySIGUSR1AndOneSIGTERMLeaveTimeForTheFiles() throws {
    let sandbox = try Sandbox.trainable(), command = try sandbox.start(Self.long())
    command.waitForError("step 60/400 ")
    for number in [SIGUSR1, SIGUSR1, SIGHUP, SIGTERM, SIGUSR1] {
      command.send(number)
      usleep(1000)
    }
    // On a busy machine they wait for each other, and the system delivers the lowest number first.
    #expect(try [129, 138, 143].contains(command.finish().status))
    #expect(sandbox.exists("run/adapter_model.safetensors") && !sandbox.exists("run/.lock"))
  }

  @Test func aHangUpThatIsIgnoredStaysIgnored() throws {
    let sandbox = try Sandbox.trainable()
    let outcome = try sandbox.shell(
      "nohup \"$TOOL\" train config.json --set training.num_train_epochs=20 2> err > out & pid=$!; "
        + "until grep -q 'step 40/' err; do sleep 0.01; done; kill -HUP $pid; wait $pid")
    #expect(outcome.status == 0)
    #expect(sandbox.exists("run/eval_results.json"))
  }

  @Test func startsAfreshWhereThereIsNothing() throws {
    let sandbox = try Sandbox.trainable()
    let outcome = try sandbox.run("train", "config.json", "--resume")
    #expect(outcome.status == 0 && !outcome.err.contains("resumed"))
    #expect(try sandbox.run("train", "config.json", "--resume", "--overwrite").status == 64)
  }

  @Test func aCompleteRunHasNothingToDo() throws {
    let sandbox = try Sandbox.trainable()
    let first = try sandbox.run("train", "config.json", "--json")
    let store = try RunStore.openExisting(path: sandbox.place("runs.sqlite"))
    let row = try store.run(1), metrics = try store.metrics(run: 1)
    let before = try sandbox.listing()
    let again = try sandbox.run("train", "config.json", "--resume", "--json")
    #expect(again.status == 0 && again.err.contains("there is nothing to do"), "\(again.err)")
    #expect(again.out == first.out)
    #expect(try sandbox.listing() == before)
    #expect(try store.run(1) == row && store.metrics(run: 1) == metrics)
  }

  @Test func moreEpochsGoOnAndAreNamed() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("train", "config.json", "--set", "adapter.strategy=aslora").status == 0)
    let longer = try sandbox.run(
      "train", "config.json", "--set", "adapter.strategy=aslora", "--resume", "--set", "training.num_train_epochs=4",
      "--json")
    #expect(longer.status == 0)
    #expect(longer.err.contains("training.num_train_epochs: 2, now 4: the run ends at step 32 instead of 16"))
    #expect(try longer.json()["step"]?.integer == 32)
    let store = try RunStore.openExisting(path: sandbox.place("runs.sqlite"))
    #expect(try store.runs().count == 1 && store.run(1).status == .completed)
    #expect(try store.run(1).details.config.contains("\"num_train_epochs\": 4"))
    #expect(
      try store.metrics(run: 1).filter { $0.name == "loss" && $0.split == .validation }.map(\.step) == [8, 16, 24, 32])
    #expect(try store.merges(run: 1).count == 4)
  }

  @Test func aChangedConfigIsRefusedWithWhatChanged() throws {
    let sandbox = try Sandbox.trainable()
    let command = try sandbox.start(Self.long())
    command.waitForError("step 30/400 ")
    command.send(SIGTERM)
    _ = try command.finish()
    let before = try sandbox.listing()
    let refused = try sandbox.start(
      Self.long() + ["--resume", "--set", "training.learning_rate=0.5", "--set", "adapter.r=3"]
    ).finish()
    #expect(refused.status == 65, "\(refused.err)")
    #expect(
      refused.err.contains("  adapter.r: 2, now 3\n")
        && refused.err.contains("  training.learning_rate: 0.01, now 0.5\n"))
    try sandbox.write("data/train.tsv", sandbox.text("data/train.tsv").replacingOccurrences(of: "movie", with: "film"))
    let other = try sandbox.start(Self.long() + ["--resume"]).finish()
    #expect(other.status == 65 && other.err.contains("the examples of the split train have changed"))
    #expect(try sandbox.listing() == before)
  }

  @Test func aMovedRunWithMovedInputsGoesOn() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.start(Self.long("whole")).finish().status == 0)
    let command = try sandbox.start(Self.long())
    command.waitForError("step 60/400 ")
    _ = command.killHard()
    for (old, new) in [("run", "moved"), ("run.sqlite", "moved.sqlite"), ("data", "inputs"), ("model", "bert")] {
      try FileManager.default.moveItem(atPath: sandbox.place(old), toPath: sandbox.place(new))
      for rest in ["-wal", "-shm"] where sandbox.exists(old + rest) {
        try FileManager.default.moveItem(atPath: sandbox.place(old + rest), toPath: sandbox.place(new + rest))
      }
    }
    let resumed = try sandbox.start(
      Self.long("moved") + ["--resume", "--set", "model=bert", "--set", "task.data_dir=inputs"]
    ).finish()
    #expect(resumed.status == 0 && resumed.err.contains("resumed after step"), "\(resumed.err)")
    let whole = try RunRecords(sandbox, output: "whole", database: "whole.sqlite")
    let moved = try RunRecords(sandbox, output: "moved", database: "moved.sqlite")
    #expect(moved.adapter == whole.adapter && moved.metrics == whole.metrics && moved.merges == whole.merges)
    #expect(try RunStore.openExisting(path: sandbox.place("moved.sqlite")).run(1).details.outputDir == "moved")
  }

  /// Written by the program as it was before methods and tasks became values. It loaded validation files even if nothing
  /// was to be scored.
  @Test(arguments: [
    ("lora", ["training.load_best_model_at_end=true"]), ("aslora", ["training.eval_strategy=no"]),
  ]) func aCheckpointOfAnEarlierVersionGoesOn(strategy: String, values: [String]) throws {
    let sandbox = try Sandbox.trainable()
    let flags = (values + ["adapter.strategy=\(strategy)"]).flatMap { ["--set", $0] }
    func train(_ output: String, _ more: String...) throws -> (outcome: Outcome, loss: Double) {
      let place = ["--output-dir", output, "--database", "\(output).sqlite"]
      let outcome = try sandbox.start(["train", "config.json"] + flags + place + more).finish()
      #expect(outcome.status == 0, "\(outcome.err)")
      let store = try RunStore.openExisting(path: sandbox.place("\(output).sqlite"))
      #expect(try store.merges(run: 1).count == (strategy == "aslora" ? 4 : 0))
      let losses = try store.metrics(run: 1).filter { $0.name == "loss" && $0.split == .train }
      #expect(losses.map(\.step) == [5, 10, 15, 16])
      return (outcome, try #require(losses.last?.value))
    }
    let whole = try train("whole")
    try FileManager.default.createDirectory(atPath: sandbox.place("run"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      atPath: Sandbox.golden("checkpoints/\(strategy)"), toPath: sandbox.place("run/checkpoints"))
    let resumed = try train("run", "--resume")
    #expect(resumed.outcome.err.contains("resumed after step 10 of 16"), "\(resumed.outcome.err)")
    // Another processor may have other bits.
    #expect(abs(resumed.loss - whole.loss) < 1e-3)
  }

  @Test func aRunKilledBeforeItsFirstCheckpointKeepsItsRow() throws {
    let sandbox = try Sandbox.trainable()
    let command = try sandbox.start(Self.long("run", "--set", "training.save_steps=0"))
    command.waitForError("step 30/400 ")
    #expect(command.killHard())
    let killed = try RunStore.openExisting(path: sandbox.place("run.sqlite")).run(1)
    #expect(killed.status == .interrupted, "a run whose process is gone is shown as interrupted")
    let refused = try sandbox.start(Self.long()).finish()
    #expect(refused.status == 73 && refused.err.contains("--resume"))
    let resumed = try sandbox.start(Self.long("run", "--resume", "--set", "training.max_steps=20")).finish()
    #expect(resumed.status == 0 && resumed.err.contains("holds no checkpoint yet"), "\(resumed.err)")
    let store = try RunStore.openExisting(path: sandbox.place("run.sqlite"))
    #expect(try store.runs().map(\.status) == [.completed])
    #expect(try store.metrics(run: 1).allSatisfy { $0.step <= 20 })
  }

  @Test func aRunWithoutCheckpointsIsNotStartedOver() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("train", "config.json").status == 0)
    try FileManager.default.removeItem(atPath: sandbox.place("run/checkpoints"))
    let before = try sandbox.read("run/adapter_model.safetensors")
    let refused = try sandbox.run("train", "config.json", "--resume")
    #expect(refused.status == 73 && refused.err.contains("without a checkpoint"), "\(refused.err)")
    #expect(try sandbox.read("run/adapter_model.safetensors") == before)
  }

  @Test func dryRunsTellWhereARunWouldGoOn() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("train", "config.json").status == 0)
    let before = try sandbox.listing()
    let plan = try sandbox.run("train", "config.json", "--resume", "--dry-run")
    #expect(plan.status == 0 && plan.err.contains("would resume after step 16"), "\(plan.err)")
    #expect(try sandbox.listing() == before)
  }

  // MARK: - One process a directory

  @Test func theSecondProcessIsToldWhoHoldsTheDirectory() throws {
    let sandbox = try Sandbox.trainable()
    let first = try sandbox.start(Self.long("run", "--set", "training.max_steps=1000000"))
    first.waitForError("step 30/")
    for flags in [[], ["--overwrite"], ["--resume"]] {
      let second = try sandbox.start(["train", "config.json"] + flags).finish()
      #expect(second.status == 73 && second.out.isEmpty, "\(second.err)")
      #expect(second.err.contains("run: in use by a training run: process \(first.pid) on "), "\(second.err)")
    }
    // Reading is free: the newest checkpoint is scored.
    let scored = try sandbox.run("eval", "run", "--json", "--database", "run.sqlite")
    #expect(scored.status == 0, "\(scored.err)")
    #expect(scored.err.contains("the run is not finished"), "\(scored.err)")
    #expect(try sandbox.run("predict", "run", input: "a good film\n").status == 0)
    #expect(first.isRunning)
    first.send(SIGTERM)
    #expect(try first.finish().status == 143)
    #expect(!sandbox.exists("run/.lock"))
  }

  @Test func anUnfinishedRunIsScoredByItsNewestCheckpoint() throws {
    let sandbox = try Sandbox.trainable()
    let stopped = try sandbox.start(Self.long())
    stopped.waitForError("step 60/400 ")
    stopped.send(SIGTERM)
    #expect(try stopped.finish().status == 143)
    #expect(try !sandbox.run("eval", "run").err.contains("the run is not finished"))
    let resumed = try sandbox.start(Self.long() + ["--resume"])
    resumed.waitForError("step 120/400 ")
    #expect(resumed.killHard())
    let scored = try sandbox.run("eval", "run", "--json")
    #expect(scored.status == 0 && scored.err.contains("the run is not finished"), "\(scored.err)")
    #expect(try scored.json()["results"]?.array?.first?["step"]?.integer ?? 0 >= 112)
  }

  @Test func theLockOfAKilledProcessIsNone() throws {
    let sandbox = try Sandbox.trainable()
    let first = try sandbox.start(Self.long())
    first.waitForError("step 30/")
    #expect(first.killHard())
    #expect(sandbox.exists("run/.lock"))
    #expect(try sandbox.run("train", "config.json", "--overwrite").status == 0)
    #expect(!sandbox.exists("run/.lock"))
  }

  @Test func ofManyThatStartAtOnceOneTrains() throws {
    let sandbox = try Sandbox.trainable()
    let all = try (0..<5).map { _ in
      try sandbox.start(["train", "config.json", "--set", "training.num_train_epochs=40", "--quiet"])
    }
    let outcomes = try all.map { try $0.finish() }
    #expect(outcomes.filter { $0.status == 0 }.count == 1, "\(outcomes.map(\.status)) \(outcomes.map(\.err))")
    #expect(outcomes.filter { $0.status == 73 }.count == 4)
    #expect(try RunStore.openExisting(path: sandbox.place("runs.sqlite")).runs().count == 1)
  }

  // MARK: - Numbers gone wrong

  @Test func aRunWhoseNumbersGoWrongFailsAndKeepsItsCheckpoints() throws {
    let sandbox = try Sandbox.trainable()
    let outcome = try sandbox.run(
      "train", "config.json", "--set", "training.learning_rate=1e37", "--set", "training.save_steps=1",
      "--set", "training.warmup_steps=5", "--set", "training.eval_strategy=no", "--set",
      "training.max_nonfinite_steps=2")
    #expect(outcome.status == 65, "\(outcome.err)")
    #expect(outcome.err.contains("is not a finite number; the step was not applied; first in "))
    #expect(outcome.err.contains(", training example"))
    #expect(outcome.err.contains("1 such step so far, the run stops at 2"))
    let store = try RunStore.openExisting(path: sandbox.place("runs.sqlite"))
    #expect(try store.run(1).status == .failed)
    let names = try FileManager.default.contentsOfDirectory(atPath: sandbox.place("run/checkpoints"))
    #expect(names.contains { $0.hasPrefix("step-") })
    #expect(!sandbox.exists("run/adapter_model.safetensors"))
  }
}
