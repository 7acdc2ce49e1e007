import Foundation
import RunStore
import Testing

/// Full disks, vanishing files and crowds.
@Suite(.serialized) struct StressTests {
  /// Whether this process may mount file systems in a namespace of its own.
  static let mayMount: Bool = {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt"]
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
  }()

  private static let why: Comment = "mounting a file system in a namespace is not permitted here"

  private func expectResumable(_ sandbox: Sandbox, sourceLocation: SourceLocation = #_sourceLocation) throws {
    #expect(try sandbox.start(LifeCycleTests.long("whole")).finish().status == 0, sourceLocation: sourceLocation)
    let resumed = try sandbox.start(LifeCycleTests.long() + ["--resume"]).finish()
    #expect(
      resumed.status == 0 && resumed.err.contains("resumed after step ") && !resumed.err.contains("damaged"),
      "\(resumed.err)", sourceLocation: sourceLocation)
    try RunRecords(sandbox, output: "run", database: "run.sqlite").expectEqual(
      RunRecords(sandbox, output: "whole", database: "whole.sqlite"), "resumed run", sourceLocation: sourceLocation)
  }

  /// Trains into a file system that something else fills, and copies what is left out of it.
  @Test(.enabled(if: mayMount, why)) func aFullDisk() throws {
    let sandbox = try Sandbox.trainable()
    let outcome = try sandbox.shell(
      """
      exec unshare -m bash -c '
        mkdir run && mount -t tmpfs -o size=400k tmpfs run || exit 99
        "$TOOL" \(Self.quoted(LifeCycleTests.long())) 2> err > out & pid=$!
        until grep -q "step 60/" err; do sleep 0.01; done
        cat /dev/zero > run/filler 2> /dev/null
        wait $pid; status=$?
        rm run/filler; cp -a run kept; exit $status'
      """)
    let err = try sandbox.text("err")
    #expect(outcome.status == 74, "\(outcome.err) \(err)")
    #expect(err.contains("could not be written: ") && err.contains("No space left on device"), "\(err)")
    #expect(err.contains("; --resume continues from step-"))
    try FileManager.default.removeItem(atPath: sandbox.place("run"))
    try FileManager.default.moveItem(atPath: sandbox.place("kept"), toPath: sandbox.place("run"))
    #expect(try RunStore.openExisting(path: sandbox.place("run.sqlite")).run(1).status == .failed)
    #expect(try !sandbox.listing().contains { $0.hasSuffix(".part") || $0.hasSuffix(".tmp") })
    try expectResumable(sandbox)
  }

  @Test(.enabled(if: mayMount, why)) func aDatabaseOnAFullDiskDoesNotEndTheTraining() throws {
    let sandbox = try Sandbox.trainable()
    let arguments = Self.quoted(LifeCycleTests.long("run", "--database", "db/run.sqlite"))
    let outcome = try sandbox.shell(
      """
      exec unshare -m bash -c '
        mkdir db && mount -t tmpfs -o size=400k tmpfs db || exit 99
        "$TOOL" \(arguments) 2> err > out & pid=$!
        until grep -q "step 60/" err; do sleep 0.01; done
        cat /dev/zero > db/filler 2> /dev/null
        wait $pid; status=$?
        rm db/filler; cp -a db/. kept; exit $status'
      """)
    let err = try sandbox.text("err")
    #expect(outcome.status == 74, "\(outcome.err) \(err)")
    #expect(
      err.contains("its values will be recorded later") && err.contains("--resume adds what is missing"),
      "\(err)")
    #expect(sandbox.exists("run/adapter_model.safetensors") && sandbox.exists("run/eval_results.json"))
    #expect(try sandbox.text("out").contains("completed after 400 steps"))
    try FileManager.default.removeItem(atPath: sandbox.place("db"))
    try FileManager.default.moveItem(atPath: sandbox.place("kept"), toPath: sandbox.place("db"))
    // Nothing is left to train, only to record.
    let recorded = try sandbox.start(LifeCycleTests.long("run", "--database", "db/run.sqlite", "--resume")).finish()
    #expect(recorded.status == 0, "\(recorded.err)")
    #expect(try sandbox.start(LifeCycleTests.long("whole")).finish().status == 0)
    try RunRecords(sandbox, output: "run", database: "db/run.sqlite")
      .expectEqual(RunRecords(sandbox, output: "whole", database: "whole.sqlite"), "recorded run")
  }

  @Test(.enabled(if: mayMount, why)) func aReadOnlyDirectoryIsAnErrorBeforeTraining() throws {
    let sandbox = try Sandbox.trainable()
    let outcome = try sandbox.shell(
      """
      unshare -m bash -c '
        mkdir fixed && mount -t tmpfs -o ro tmpfs fixed || exit 99
        "$TOOL" train config.json --output-dir fixed/run; echo $?
        "$TOOL" train config.json --database fixed/runs.sqlite; echo $?'
      """)
    #expect(outcome.status == 0 && outcome.out == "73\n73\n", "\(outcome.out) \(outcome.err)")
    #expect(!outcome.err.contains("step 5/") && !sandbox.exists("run"))
    #expect(outcome.err.contains("fixed/run: cannot be created: no permission to write to"))
  }

  @Test(.enabled(if: mayMount, why)) func aReadOnlyDatabaseIsAnErrorBeforeTraining() throws {
    let sandbox = try Sandbox.trainable()
    _ = try RunStore(path: sandbox.place("db/runs.sqlite"))
    let outcome = try sandbox.shell(
      """
      unshare -m bash -c '
        mount --bind db db && mount -o remount,ro,bind db || exit 99
        "$TOOL" train config.json --database db/runs.sqlite; echo $?'
      """)
    #expect(outcome.out == "73\n" && !outcome.err.contains("step 5/"), "\(outcome.out) \(outcome.err)")
    #expect(!sandbox.exists("run"))
  }

  @Test(.enabled(if: mayMount, why)) func aDirectoryThatBecomesReadOnlyEndsTheRunWhole() throws {
    let sandbox = try Sandbox.trainable()
    let outcome = try sandbox.shell(
      """
      exec unshare -m bash -c '
        "$TOOL" \(Self.quoted(LifeCycleTests.long())) 2> err > out & pid=$!
        until grep -q "step 60/" err; do sleep 0.01; done
        mount -t tmpfs -o ro tmpfs run/checkpoints || exit 99
        wait $pid'
      """)
    let err = try sandbox.text("err")
    // A checkpoint that was at work loses its directory; one that begins later finds no place to write.
    #expect(outcome.status == 74 && err.contains("could not be written: "), "\(outcome.err) \(err)")
    #expect(err.contains("; --resume continues from step-"))
    try expectResumable(sandbox)
  }

  /// For bash within single quotes.
  private static func quoted(_ arguments: [String]) -> String {
    arguments.map { "\"" + $0.replacingOccurrences(of: "\"", with: "\\\"") + "\"" }.joined(separator: " ")
  }

  @Test func aLimitOnFileSizesIsAnErrorAndNoCrash() throws {
    let sandbox = try Sandbox.trainable()
    // A program built with the thread sanitizer maps a large temporary file as it starts, and does without it where
    // none can be made.
    let start = "export TMPDIR=/dev/null; exec \"$TOOL\" train config.json"
    // 1 kB: the adapter alone is larger.
    let outcome = try sandbox.shell("bash -c 'ulimit -f 1; \(start) --database /dev/null/x'")
    #expect(outcome.status == 73, "\(outcome.err)")
    let limited = try sandbox.shell("bash -c 'ulimit -f 8; \(start)'")
    #expect(limited.status == 74, "\(limited.status) \(limited.err)")
  }

  @Test func aDeletedDatabaseIsWrittenAnew() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.start(LifeCycleTests.long("whole")).finish().status == 0)
    let command = try sandbox.start(LifeCycleTests.long())
    command.waitForError("step 60/400 ")
    for rest in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: sandbox.place("run.sqlite" + rest)) }
    let outcome = try command.finish()
    #expect(outcome.status == 0 && outcome.err.contains("was deleted or replaced"), "\(outcome.err)")
    try RunRecords(sandbox, output: "run", database: "run.sqlite")
      .expectEqual(RunRecords(sandbox, output: "whole", database: "whole.sqlite"), "run with a new database")
  }

  @Test func aTruncatedNewestCheckpointIsReportedAndTheOneBeforeUsed() throws {
    let sandbox = try Sandbox.trainable()
    let command = try sandbox.start(LifeCycleTests.long())
    command.waitForError("step 60/400 ")
    #expect(command.killHard())
    let folder = "run/checkpoints"
    let names = try FileManager.default.contentsOfDirectory(atPath: sandbox.place(folder))
      .filter { $0.hasPrefix("step-") }.sorted()
    try #require(names.count >= 2)
    let newest = names[names.count - 1], before = names[names.count - 2]
    let file = "\(folder)/\(newest)/optimizer.safetensors"
    try sandbox.write(file, sandbox.read(file).dropLast(100))
    #expect(try sandbox.start(LifeCycleTests.long("whole")).finish().status == 0)
    let resumed = try sandbox.start(LifeCycleTests.long() + ["--resume"]).finish()
    #expect(resumed.status == 0, "\(resumed.err)")
    #expect(resumed.err.contains("\(newest)/optimizer.safetensors: has "), "\(resumed.err)")
    #expect(resumed.err.contains("this checkpoint is damaged; resuming from \(before), the one before"))
    try RunRecords(sandbox, output: "run", database: "run.sqlite")
      .expectEqual(RunRecords(sandbox, output: "whole", database: "whole.sqlite"), "run with a damaged checkpoint")
  }

  @Test func fourProcessesTrainIntoOneDatabaseWhileAFifthReads() throws {
    let sandbox = try Sandbox.trainable()
    func arguments(_ number: Int) -> [String] {
      [
        "train", "config.json", "--quiet", "--threads", "1", "--output-dir", "run-\(number)", "--set",
        "name=run-\(number)",
        "--set", "training.seed=\(number)", "--set", "training.num_train_epochs=25", "--set",
        "training.logging_steps=1",
      ]
    }
    let trainers = try (0..<4).map { try sandbox.start(arguments($0)) }
    let path = sandbox.place("runs.sqlite")
    var reads = 0, most = 0
    while trainers.contains(where: \.isRunning) {
      Thread.sleep(forTimeInterval: 0.02)
      guard FileManager.default.fileExists(atPath: path) else { continue }
      let store = try RunStore.openExisting(path: path)
      for run in try store.runs() { most = max(most, try store.metrics(run: run.id).count) }
      reads += 1
    }
    for trainer in trainers {
      let outcome = try trainer.finish()
      #expect(outcome.status == 0, "\(outcome.err)")
    }
    #expect(reads > 10 && most > 0)
    let store = try RunStore.openExisting(path: path)
    let runs = try store.runs()
    #expect(Set(runs.map(\.details.name)) == ["run-0", "run-1", "run-2", "run-3"] && runs.count == 4)
    #expect(runs.allSatisfy { $0.status == .completed })
    for run in runs {
      let metrics = try store.metrics(run: run.id)
      for name in ["loss", "learning_rate", "grad_norm", "tokens_per_second", "examples_per_second"] {
        let steps = metrics.filter { $0.split == .train && $0.name == name }.map(\.step)
        #expect(steps == Array(1...200), "\(run.details.name) \(name)")
      }
      #expect(metrics.filter { $0.split == .validation }.count == 50)
    }
  }
}
