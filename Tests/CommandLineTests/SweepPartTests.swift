import Foundation
import RunStore
import StrictJSON
import Testing

/// `swift-peft sweep` with `--plan`, `--only`, `--worker` and `--collect`, as several machines would call it.
@Suite struct SweepPartTests {
  private static let labels = SweepVerbTests.labels

  private func sandbox(epochs: Int = 1) throws -> Sandbox { try SweepVerbTests.sandbox(epochs: epochs) }

  /// Which runs are complete, as `--plan` sees it.
  private func done(_ sandbox: Sandbox) throws -> [Bool?] {
    let plan = try sandbox.run("sweep", "sweep.json", "--plan", "--json")
    #expect(plan.status == 0, "\(plan.err)")
    return try plan.json()["runs"]?.array?.map { $0["done"]?.bool } ?? []
  }

  private func ownStore(_ sandbox: Sandbox, _ label: String) throws -> RunStore {
    try RunStore.openExisting(path: sandbox.place("runs/tiny/\(label)/run.sqlite"))
  }

  // MARK: - The same as an ordinary sweep

  /// The results of an ordinary sweep: what it printed and wrote.
  private struct Results: Equatable {
    let table: String
    let json: String
    let adapters: [Data]

    init(_ sandbox: Sandbox, _ outcome: Outcome) throws {
      table = outcome.out
      json = try sandbox.text("runs/tiny/sweep_results.json")
      adapters = try SweepVerbTests.adapters(sandbox)
    }
  }

  @Test func runsTrainedOneByOneAndCollectedEqualAnOrdinarySweep() throws {
    let ordinary = try sandbox()
    let expected = try Results(ordinary, ordinary.run("sweep", "sweep.json"))

    let sandbox = try sandbox()
    for part in ["2", "0-1", "3"] {
      let outcome = try sandbox.run("sweep", "sweep.json", "--only", part)
      #expect(outcome.status == 0, "\(outcome.err)")
      #expect(outcome.out.contains("run.sqlite of each run; --collect gathers them in runs/swift-peft.sqlite"))
    }
    #expect(!sandbox.exists("runs/swift-peft.sqlite") && !sandbox.exists("runs/tiny/sweep_results.json"))
    let collected = try sandbox.run("sweep", "sweep.json", "--collect")
    #expect(collected.status == 0 && collected.err == "4 runs added, 0 brought up to date, 0 already there\n")
    #expect(try Results(sandbox, collected) == expected)

    // Everything that a report shows, but what is measured.
    func shown(_ sandbox: Sandbox) throws -> [[MetricPoint]] {
      let store = try RunStore.openExisting(path: sandbox.place("runs/swift-peft.sqlite"))
      return try (1...4).map { try store.metrics(run: $0).filter { !$0.name.hasSuffix("_per_second") } }
    }
    #expect(try shown(sandbox) == shown(ordinary))
    func config(_ sandbox: Sandbox) throws -> JSONNode {
      try #require(try sandbox.run("runs", "show", "2", "--json").json()["config"])
    }
    let (one, other) = (try config(ordinary), try config(sandbox))
    #expect(one == other)

    let again = try sandbox.run("sweep", "sweep.json", "--collect")
    #expect(again.status == 0 && again.err == "0 runs added, 0 brought up to date, 4 already there\n")
    #expect(try Results(sandbox, again) == expected)
    // An ordinary sweep finds all of them complete.
    let last = try sandbox.run("sweep", "sweep.json")
    #expect(last.err == "4 of 4 runs are already complete\n")
    #expect(try Results(sandbox, last) == expected)
  }

  @Test func workersShareASweepWithoutTrainingARunTwice() throws {
    let ordinary = try sandbox()
    let expected = try Results(ordinary, ordinary.run("sweep", "sweep.json"))
    let sandbox = try sandbox()
    let workers = try (0..<3).map { _ in try sandbox.start(["sweep", "sweep.json", "--worker", "--json"]) }
    let outcomes = try workers.map { try $0.finish() }
    #expect(outcomes.allSatisfy { $0.status == 0 }, "\(outcomes.map(\.err))")
    let trained = try outcomes.flatMap { try $0.json()["runs"]?.array?.map { $0["label"]?.string ?? "" } ?? [] }
    // A worker that comes to a run as another one ends it finds it complete, and names it too.
    #expect(Set(trained) == Set(Self.labels))
    for label in Self.labels { #expect(try ownStore(sandbox, label).runs().map(\.status) == [.completed]) }
    let idle = try sandbox.run("sweep", "sweep.json", "--worker")
    #expect(idle.status == 0 && idle.out == "no run was left to train\n")
    #expect(idle.err == "4 of 4 runs are complete\n")
    #expect(try Results(sandbox, sandbox.run("sweep", "sweep.json", "--collect")) == expected)
  }

  @Test func manyWorkersForOneRunAllEndWell() throws {
    let sandbox = try sandbox()
    #expect(try sandbox.run("sweep", "sweep.json", "--only", "0-2").status == 0)
    let workers = try (0..<5).map { _ in try sandbox.start(["sweep", "sweep.json", "--worker"]) }
    let outcomes = try workers.map { try $0.finish() }
    #expect(outcomes.allSatisfy { $0.status == 0 }, "\(outcomes.map(\.err))")
    // One that comes as another ends the run names it too.
    #expect(outcomes.contains { $0.out.contains("trained 1 run\n") }, "\(outcomes.map(\.out))")
    #expect(try ownStore(sandbox, Self.labels[3]).runs().map(\.status) == [.completed])
  }

  /// The two ways share the files of a run, so either can go on where the other stopped.
  @Test(arguments: [true, false]) func anOrdinarySweepAndWorkersGoOnForEachOther(workersFinish: Bool) throws {
    let ordinary = try sandbox(epochs: 20)
    let expected = try Results(ordinary, ordinary.run("sweep", "sweep.json"))
    let sandbox = try sandbox(epochs: 20), flags = ["--set", "training.save_steps=7"]
    let first = try sandbox.start(["sweep", "sweep.json"] + (workersFinish ? [] : ["--only", "0-3"]) + flags)
    first.waitForError("training strategy-lora_seed-2")
    let own = "runs/tiny/\(Self.labels[1])/checkpoints/step-00000014"
    wait(seconds: 300) { sandbox.exists(own) || !first.isRunning }
    first.send(SIGUSR1)
    #expect(try first.finish().status == 138)
    let collect = ["sweep", "sweep.json", "--collect"] + flags
    if !workersFinish { #expect(try sandbox.start(collect).finish().status == 0) }
    let second = try sandbox.start(["sweep", "sweep.json"] + (workersFinish ? ["--worker"] : []) + flags).finish()
    #expect(second.status == 0, "\(second.err)")
    let collected = try sandbox.start(collect).finish()
    #expect(try Results(sandbox, collected) == expected)
    let store = try RunStore.openExisting(path: sandbox.place("runs/swift-peft.sqlite"))
    #expect(try store.runs().map(\.status) == [.completed, .completed, .completed, .completed])
  }

  // MARK: - What is complete

  @Test func thePlanListsTheRunsAndWritesNothing() throws {
    let sandbox = try sandbox()
    let before = try sandbox.listing()
    let plan = try sandbox.run("sweep", "sweep.json", "--plan")
    #expect(plan.status == 0 && plan.err.isEmpty)
    #expect(plan.out.hasPrefix("index  run  "))
    #expect(
      plan.out.contains("\n    3  strategy-aslora_seed-2  runs/tiny/configs/strategy-aslora_seed-2.json  to train\n"))
    #expect(try sandbox.listing() == before)

    #expect(try sandbox.run("sweep", "sweep.json", "--only", "1").status == 0)
    #expect(try done(sandbox) == [false, true, false, false])
    let all = try sandbox.run("sweep", "sweep.json", "--plan", "--json").json()["runs"]?.array
    #expect(all?.map { $0["state"]?.string } == ["to train", "complete", "to train", "to train"])
    let json = all?[1]
    #expect(json?["index"]?.integer == 1 && json?["label"]?.string == Self.labels[1])
    let config = try #require(json?["config"]?.string)
    #expect(try sandbox.run("train", config, "--dry-run", "--resume").status == 0)
    // Collected, it is known without its own database too.
    #expect(try sandbox.run("sweep", "sweep.json", "--collect", "--quiet").status == 0)
    try FileManager.default.removeItem(atPath: sandbox.place("runs/tiny/\(Self.labels[1])/run.sqlite"))
    #expect(try done(sandbox) == [false, true, false, false])
    let again = try sandbox.run("sweep", "sweep.json", "--only", "1")
    #expect(again.status == 0 && again.err == "1 of 1 runs are already complete\n")
  }

  @Test func aDatabaseOfAnEarlierRunMakesNothingComplete() throws {
    let sandbox = try sandbox()
    #expect(try sandbox.run("sweep", "sweep.json", "--only", "0").status == 0)
    #expect(try done(sandbox) == [true, false, false, false])
    let other = try sandbox.start([
      "train", "runs/tiny/configs/\(Self.labels[0]).json", "--overwrite", "--set", "training.num_train_epochs=100000",
    ])
    other.waitForError("step 20/")
    other.send(SIGUSR1)
    #expect(try other.finish().status == 138)
    #expect(try done(sandbox) == [false, false, false, false])
  }

  @Test func onlyWithOverwriteTrainsAgain() throws {
    let sandbox = try sandbox()
    for _ in 0..<2 {
      #expect(try sandbox.run("sweep", "sweep.json", "--only", "0", "--overwrite", "--jobs", "2").status == 0)
    }
    #expect(try ownStore(sandbox, Self.labels[0]).runs().count == 2)
    let collected = try sandbox.run("sweep", "sweep.json", "--collect", "--json")
    #expect(try collected.json()["runs"]?.array?.first?["run_id"]?.integer == 2)
    #expect(collected.err.contains("2 runs added") && collected.err.contains("not complete: strategy-lora_seed-2, "))
  }

  @Test func aDryRunOfAPartTellsItsRuns() throws {
    let sandbox = try sandbox(), before = try sandbox.listing()
    let plan = try sandbox.run("sweep", "sweep.json", "--only", "1-2", "--dry-run")
    #expect(plan.status == 0 && plan.out.contains("2 runs to train, 1 in parallel"))
    #expect(try sandbox.listing() == before)
  }

  // MARK: - Claims

  /// The process that trains in the directory of a run.
  private func trainer(_ sandbox: Sandbox, of command: Command) throws -> pid_t {
    wait(seconds: 300) { (try? ownStore(sandbox, Self.labels[0]).metrics(run: 1).isEmpty) == false }
    return try #require(try sandbox.processes().first { $0 != command.pid })
  }

  @Test func theClaimOfADeadProcessStopsNoWorker() throws {
    let ordinary = try sandbox(epochs: 20)
    #expect(try ordinary.run("sweep", "sweep.json").status == 0)

    let sandbox = try sandbox(epochs: 20)
    let first = try sandbox.start(["sweep", "sweep.json", "--only", "0", "--set", "training.save_steps=7"])
    kill(try trainer(sandbox, of: first), SIGKILL)
    let killed = try first.finish()
    #expect(killed.status == 137 && killed.err.contains("ended with status 137"), "\(killed.err)")
    #expect(sandbox.exists("runs/tiny/\(Self.labels[0])/.lock"))
    #expect(try done(sandbox) == [false, false, false, false])
    let worker = try sandbox.run("sweep", "sweep.json", "--worker", "--set", "training.save_steps=7")
    #expect(worker.status == 0, "\(worker.err)")
    #expect(try SweepVerbTests.adapters(sandbox) == SweepVerbTests.adapters(ordinary))
    #expect(try ownStore(sandbox, Self.labels[0]).runs().map(\.status) == [.completed])
  }

  @Test func aWorkerLeavesWhatOthersTrainAndSaysSo() throws {
    let sandbox = try sandbox(epochs: 100_000)
    let first = try sandbox.start(["sweep", "sweep.json", "--only", "0"])
    let trainer = try trainer(sandbox, of: first)
    let worker = try sandbox.run("sweep", "sweep.json", "--worker", "--set", "training.max_steps=4")
    #expect(worker.status == 0, "\(worker.err)")
    #expect(worker.err.contains("3 of 4 runs are complete\n"))
    #expect(
      worker.err.contains("1 run is left to other processes: strategy-lora_seed-1 (process \(trainer) on "),
      "\(worker.err)")
    // Whoever names it is refused.
    let second = try sandbox.run("sweep", "sweep.json", "--only", "0")
    #expect(second.status == 73)
    #expect(
      second.err.contains("\(Self.labels[0]): in use by a training run: process \(trainer) on "), "\(second.err)")

    // What runs is collected as it is.
    let early = try sandbox.run("sweep", "sweep.json", "--collect", "--json", "--set", "training.max_steps=4")
    #expect(early.status == 0 && early.err.hasSuffix("not complete: strategy-lora_seed-1\n"), "\(early.err)")
    #expect(try early.json()["runs"]?.array?.first?["status"]?.string == "running")
    first.send(SIGUSR1)
    let stopped = try first.finish()
    #expect(stopped.status == 138 && stopped.err.contains("stopped; repeat the command to continue\n"))
    let late = try sandbox.run("sweep", "sweep.json", "--collect", "--json", "--set", "training.max_steps=4")
    #expect(late.err.hasPrefix("0 runs added, 1 brought up to date, 3 already there\n"), "\(late.err)")
    #expect(try late.json()["runs"]?.array?.first?["status"]?.string == "interrupted")
  }

  @Test(arguments: [(SIGTERM, Int32(143)), (SIGUSR1, Int32(138))])
  func aSignalStopsAWorkerAndItsRun(signal: Int32, status: Int32) throws {
    let sandbox = try sandbox(epochs: 100_000)
    let worker = try sandbox.start(["sweep", "sweep.json", "--worker", "--json"])
    worker.waitForError("training ")
    wait(seconds: 300) { Self.labels.contains { (try? ownStore(sandbox, $0).metrics(run: 1).isEmpty) == false } }
    worker.send(signal)
    let outcome = try worker.finish()
    #expect(outcome.status == status)
    #expect(try outcome.json()["runs"]?.array?.map { $0["status"]?.string } == ["interrupted"])
    #expect(!outcome.err.contains("runs are complete"))
    #expect(try sandbox.processes().isEmpty)
  }

  // MARK: - What goes wrong

  /// Neither trains, writes a table or fills the database: results of two configs do not belong together.
  @Test(arguments: [
    ("0", "strategy-lora_seed-1: holds a finished run"), ("0-2", "strategy-lora_seed-1 and 2 more: hold finished runs"),
  ])
  func runsOfAnotherConfigAreRefusedAtOnce(trained: String, says: String) throws {
    let sandbox = try sandbox()
    #expect(try sandbox.run("sweep", "sweep.json", "--only", trained).status == 0)
    let before = try sandbox.listing()
    for part in ["--worker", "--collect"] {
      let refused = try sandbox.run("sweep", "sweep.json", part, "--set", "training.learning_rate=1e-3")
      #expect(refused.status == 73 && refused.out.isEmpty)
      #expect(
        refused.err == "swift-peft: error: runs/tiny/\(says) with another config; choose another output_dir, or use "
          + "--overwrite to retrain all runs of the sweep\n")
      #expect(try sandbox.listing() == before)
    }
    #expect(try sandbox.run("sweep", "sweep.json", "--collect").status == 0)
  }

  @Test func aMissingModelIsOneMistake() throws {
    let sandbox = try sandbox()
    try FileManager.default.removeItem(atPath: sandbox.place("model"))
    let worker = try sandbox.run("sweep", "sweep.json", "--worker")
    #expect(worker.status == 66 && worker.errorLines.count == 1, "\(worker.err)")
    #expect(!sandbox.exists("runs"))
  }

  @Test func aFileInTheWayFailsAloneInAWorker() throws {
    let sandbox = try sandbox()
    try sandbox.write("runs/tiny/\(Self.labels[1])", "in the way")
    let worker = try sandbox.run("sweep", "sweep.json", "--worker")
    #expect(worker.status == 73 && worker.err.hasSuffix("swift-peft: error: 1 of 4 runs failed\n"), "\(worker.err)")
    #expect(worker.out.contains("trained 3 of the 4 runs that it took\n"), "\(worker.out)")
    #expect(worker.out.hasPrefix("sweep "), "a table of these runs alone: \(worker.out)")
    #expect(try done(sandbox) == [true, false, true, true])
  }

  @Test func damagedDatabasesAreNamedAndTheRestIsCollected() throws {
    let sandbox = try sandbox()
    let none = try sandbox.run("sweep", "sweep.json", "--collect")
    #expect(none.status == 66)
    #expect(none.err.hasPrefix("swift-peft: error: runs/tiny: nothing to collect: no run of this sweep has begun here"))
    #expect(!sandbox.exists("runs"))

    #expect(try sandbox.run("sweep", "sweep.json", "--only", "0-1").status == 0)
    let file = "runs/tiny/\(Self.labels[0])/run.sqlite"
    try sandbox.write(file, String(repeating: "no database ", count: 100))
    let line = "swift-peft: error: \(file): not an SQLite database; choose another file for the runs\n"
    let collected = try sandbox.run("sweep", "sweep.json", "--collect", "--json")
    #expect(collected.status == 65 && collected.err.hasSuffix(line), "\(collected.err)")
    let states = try collected.json()["runs"]?.array?.map { $0["status"]?.string }
    #expect(states == [nil, "completed", nil, nil])
    let plan = try sandbox.run("sweep", "sweep.json", "--plan")
    #expect(plan.status == 65 && plan.err == line)
  }

  @Test(arguments: [
    (["--only", "4"], "--only 4: the sweep has the runs 0 to 3; --plan lists them"),
    (["--only", "2-9"], "--only 9: the sweep has the runs 0 to 3; --plan lists them"),
    (["--only", "x"], "The value 'x' is invalid for '--only <i|a-b>': must be a number like 3, or a range like 0-5"),
    (
      ["--only", "3-1"], "The value '3-1' is invalid for '--only <i|a-b>': must be a number like 3, or a range like 0-5"
    ),
    (["--only", ""], "The value '' is invalid for '--only <i|a-b>': must be a number like 3, or a range like 0-5"),
    (
      ["--only", "99999999999999999999"],
      "The value '99999999999999999999' is invalid for '--only <i|a-b>': must be a number like 3, or a range like 0-5"
    ),
    (["--plan", "--only", "1"], "--plan and --only exclude each other"),
    (["--worker", "--collect"], "--worker and --collect exclude each other"),
    (["--only", "1", "--slurm"], "--only and --slurm exclude each other"),
    (["--worker", "--overwrite"], "--worker and --overwrite exclude each other"),
    (["--worker", "--jobs", "2"], "--worker and --jobs exclude each other"),
    (["--collect", "--dry-run"], "--collect and --dry-run exclude each other"),
    (["--plan", "--threads", "2"], "--plan and --threads exclude each other"),
    (["--slurm", "--json"], "--slurm and --json exclude each other"),
  ])
  func whatMakesNoSenseIsRefused(flags: [String], message: String) throws {
    let sandbox = try sandbox(), before = try sandbox.listing()
    let outcome = try sandbox.start(["sweep", "sweep.json"] + flags).finish()
    #expect(outcome.status == 64)
    #expect(outcome.errorLines.first.map(String.init) == "swift-peft: error: \(message)")
    #expect(try sandbox.listing() == before)
  }

  // MARK: - Launchers

  /// Without `--worker` the processes would do the same work, and fight for it.
  @Test(.enabled(if: !MPIRun.installed.isEmpty, MPIRun.missing), arguments: MPIRun.installed)
  func onlyWorkersMayBeSeveral(launcher: MPIRun) throws {
    let sandbox = try sandbox(), before = try sandbox.listing()
    let line =
      "swift-peft: error: sweep works in one process; start it without mpirun, or with --worker, by which every "
      + "process takes runs of its own"
    for flags in [[], ["--plan"], ["--only", "0"], ["--collect"], ["--slurm"], ["--dry-run"]] {
      let refused = try launcher.run(ranks: 2, ["sweep", "sweep.json"] + flags, in: sandbox)
      // MPICH's launcher may report the end of a process there, between lines of "=".
      let own = refused.out.split(separator: "\n").filter { !$0.hasPrefix("=") }
      #expect(refused.status == 64 && own.isEmpty, "\(flags): \(refused.out)")
      let lines = refused.errorLines.filter { $0.hasPrefix("swift-peft: ") }.map(String.init)
      #expect(lines == [line], "\(flags): \(refused.err)")
    }
    #expect(try sandbox.listing() == before)
    let workers = try launcher.run(ranks: 2, ["sweep", "sweep.json", "--worker"], in: sandbox)
    #expect(workers.status == 0, "\(workers.err)")
    #expect(try done(sandbox) == [true, true, true, true])
    // Started alone, it is an ordinary program.
    let alone = try launcher.run(ranks: 1, ["sweep", "sweep.json", "--only", "0"], in: sandbox)
    #expect(alone.status == 0 && alone.err.contains("1 of 1 runs are already complete\n"), "\(alone.err)")
  }

  @Test func theRunsDoNotBelieveThatALauncherStartedThem() throws {
    let sandbox = try sandbox(epochs: 100_000)
    let signs = [
      "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "1", "PMI_SIZE": "4", "PMI_RANK": "1", "PMIX_RANK": "1",
      "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "1",
    ]
    let command = try sandbox.start(
      ["sweep", "sweep.json", "--worker"], environment: signs.merging(["SLURM_JOB_ID": "77"]) { $1 })
    wait(seconds: 300) { Self.labels.contains { (try? ownStore(sandbox, $0).metrics(run: 1).isEmpty) == false } }
    let trainer = try #require(try sandbox.processes().first { $0 != command.pid })
    let bytes = try Data(contentsOf: URL(fileURLWithPath: "/proc/\(trainer)/environ"))
    command.send(SIGUSR1)
    #expect(try command.finish().status == 138)
    let names = bytes.split(separator: 0).map { String(decoding: $0.prefix { $0 != UInt8(ascii: "=") }, as: UTF8.self) }
    #expect(names.contains("SLURM_JOB_ID") && names.contains("SWIFT_PEFT_SWEEP"))
    #expect(names.allSatisfy { signs[$0] == nil }, "\(names)")
  }
}
