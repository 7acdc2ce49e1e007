import Adapters
import Diagnostics
import Foundation
import GRDB
import Metrics
import RunStore
import Tasks
import Testing

@testable import Training

@Suite struct RunRecorderTests {
  let scratch: Scratch
  let path: String
  let run = RunDetails(
    name: "n", model: "m", modelType: "bert", task: "sst2", strategy: "lora", r: 8, loraAlpha: 16, seed: 1,
    precision: "float32", threads: 1, parameters: ParameterCounts(adapter: 1, trainable: 2, total: 3), config: "{}",
    outputDir: "o", version: "1")

  init() throws {
    scratch = try Scratch()
    path = scratch.place("db/runs.sqlite")
  }

  private func recorder(timeout: Double = 0.1) throws -> RunRecorder {
    let store = try RunStore(path: path, timeout: timeout), identity = RunIdentity()
    let id = try store.beginRun(run, token: identity.token, startedAt: identity.startedAt)
    return RunRecorder(store: store, id: id, run: run, identity: identity, history: HistoryLog(), checkpoints: [:])
  }

  private func log(_ step: Int) -> LogReport {
    LogReport(step: step, epoch: Double(step) / 10, metrics: [MetricValue(name: "loss", value: 1 / Double(step))])
  }

  private let merge = GroupMerge(step: 2, module: "q", lowerLayer: 0, upperLayer: 1, distance: 0.5, groupsLeft: 1)

  /// Shell, for what must happen outside this process's SQLite.
  private func shell(_ command: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = ["-c", command]
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
  }

  private func expectEverything(_ path: String, steps: [Int]) throws {
    let store = try RunStore.openExisting(path: path)
    #expect(try store.runs().map(\.status) == [.completed])
    #expect(try store.metrics(run: 1).map(\.step) == steps)
    #expect(try store.metrics(run: 1).allSatisfy { $0.value == 1 / Double($0.step) })
    #expect(try store.merges(run: 1).map(\.module) == ["q"])
    #expect(try store.checkpoints(run: 1).map(\.path) == ["p/2"])
  }

  private func recordAll(_ recorder: RunRecorder, between: () throws -> Void) throws {
    recorder.record(log(1))
    recorder.record(merge)
    recorder.recordCheckpoint(step: 1, path: "p/1", removed: [])
    try between()
    recorder.record(log(2))
    recorder.recordCheckpoint(step: 2, path: "p/2", removed: [1])
    recorder.record(log(3))
  }

  @Test func everythingIsRecorded() throws {
    let recorder = try recorder()
    try recordAll(recorder) {}
    try recorder.finish(.completed)
    try expectEverything(path, steps: [1, 2, 3])
    #expect(recorder.takeNotices().isEmpty)
    #expect(try recorder.history.records().metrics.map(\.step) == [1, 2, 3])
  }

  @Test func aDeletedDatabaseIsWrittenAnew() throws {
    let recorder = try recorder()
    try recordAll(recorder) { try shell("sleep 0.2; rm -r '\(scratch.place("db"))'") }
    try recorder.finish(.completed)
    try expectEverything(path, steps: [1, 2, 3])
    #expect(recorder.takeNotices() == ["\(path) was deleted or replaced; the run is recorded again as run 1"])
  }

  @Test func aReplacedDatabaseIsTheOneThatCounts() throws {
    let recorder = try recorder()
    try recordAll(recorder) {
      let store = try RunStore(path: scratch.place("other.sqlite"))
      _ = try store.beginRun(run)
      try shell(
        "sleep 0.2; cd '\(scratch.path)' && rm db/* && cp other.sqlite* db/ && cd db && rename() { for f in other*; do mv $f runs${f#other}; done; }; rename"
      )
    }
    try recorder.finish(.completed)
    #expect(recorder.id == 2)
    let store = try RunStore.openExisting(path: path)
    #expect(try store.run(2).status == .completed && store.metrics(run: 2).count == 3)
  }

  @Test func whatCannotBeWrittenIsReportedAtTheEnd() throws {
    let recorder = try recorder()
    try recordAll(recorder) {
      try shell("sleep 0.2; rm -r '\(scratch.place("db"))' && echo in the way > '\(scratch.place("db"))'")
    }
    let failure = try #require(throws: RecordingFailure.self) { try recorder.finish(.completed) }
    #expect(
      failure.exitStatus == .ioError
        && failure.description.hasSuffix(
          "; the output directory is complete but the database is not; --resume adds what is missing")
    )
    let notices = recorder.takeNotices()
    #expect(
      notices.count == 1 && notices[0].hasSuffix("; training continues, and its values will be recorded later"),
      "\(notices)")
    #expect(try recorder.history.records().metrics.count == 3)
  }

  /// Steps 4 to 200, while another connection holds the database for `extra` seconds more than that takes.
  private func recordWhileLocked(_ recorder: RunRecorder, extra: Double) throws {
    // The recorder may still be writing steps 1 to 3.
    var patient = GRDB.Configuration()
    patient.busyMode = .timeout(60)
    let holder = try DatabaseQueue(path: path, configuration: patient)
    try recordAll(recorder) {
      try holder.writeWithoutTransaction { database throws in
        try database.execute(sql: "BEGIN EXCLUSIVE")
        for step in 4...200 { recorder.record(log(step)) }
        Thread.sleep(forTimeInterval: extra)
        try database.execute(sql: "COMMIT")
      }
    }
  }

  /// Recording that waited would have the lock end after the time-out, which is then reported.
  @Test func aLockDoesNotHoldUpTheTraining() throws {
    let recorder = try recorder(timeout: 60)
    try recordWhileLocked(recorder, extra: 0)
    try recorder.finish(.completed)
    try expectEverything(path, steps: Array(1...200))
    #expect(recorder.takeNotices().isEmpty)
  }

  @Test func aLockThatLastsIsReported() throws {
    let recorder = try recorder(timeout: 0.2)
    try recordWhileLocked(recorder, extra: 1)
    try recorder.finish(.completed)
    try expectEverything(path, steps: Array(1...200))
    let notices = recorder.takeNotices()
    #expect(notices.count == 2 && notices[0].contains(": locked by another process"), "\(notices)")
    #expect(notices.last == "the database can be written again; nothing was lost")
  }
}
