import Foundation
import GRDB
import Testing

@testable import RunStore

/// Runs that are `running` in the database and nowhere else.
@Suite struct AbandonedRunTests {
  let scratch: Scratch
  let store: RunStore

  init() throws {
    scratch = try Scratch()
    store = try RunStore(path: scratch.path("runs.sqlite"))
  }

  /// A process of this machine that has ended.
  private func deadProcess() throws -> ProcessIdentity {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/true")
    try process.run()
    process.waitUntilExit()
    var identity = ProcessIdentity.current
    identity.pid = Int(process.processIdentifier)
    return identity
  }

  private func begin(_ process: ProcessIdentity) throws -> Int64 {
    let id = try store.beginRun(.example(), token: "\(process.pid) \(process.boot) \(process.started) \(process.host)")
    try DatabaseQueue(path: store.path).write { database in
      try database.execute(
        sql: "UPDATE processes SET host = ?, boot = ?, pid_namespace = ?, pid = ?, started = ? WHERE run_id = ?",
        arguments: [process.host, process.boot, process.pidNamespace, process.pid, process.started, id])
    }
    return id
  }

  @Test func aRunWhoseProcessIsGoneIsShownAsInterrupted() throws {
    let dead = try begin(deadProcess()), alive = try begin(.current)
    #expect(try store.run(dead).status == .interrupted)
    #expect(try store.run(alive).status == .running)
    #expect(try store.runs(RunFilter(status: .interrupted)).map(\.id) == [dead])
    #expect(try store.runs(RunFilter(status: .running)).map(\.id) == [alive])
    #expect(try RunStore.openExisting(path: store.path).run(dead).status == .interrupted)
  }

  @Test func theNextWriterMarksIt() throws {
    let dead = try begin(deadProcess()), alive = try begin(.current)
    try store.record(run: dead, metrics: [MetricPoint(step: 1, epoch: 0, split: .train, name: "loss", value: 1)])
    _ = try RunStore(path: store.path)
    let rows = try DatabaseQueue(path: store.path).read {
      try Row.fetchAll($0, sql: "SELECT status, finished_at FROM runs ORDER BY id")
    }
    #expect(rows.map { $0["status"] as String } == ["interrupted", "running"])
    #expect(rows[0]["finished_at"] as String? != nil && rows[1]["finished_at"] as String? == nil)
    #expect(try store.run(alive).status == .running)
  }

  @Test func aNumberThatIsUsedAgainIsAnotherProcess() throws {
    var earlier = ProcessIdentity.current
    earlier.started = "1"
    #expect(earlier.isGone())
    #expect(!ProcessIdentity.current.isGone())
  }

  @Test func aMachineThatWasStartedAgainRunsNothingOfBefore() {
    var before = ProcessIdentity.current
    before.boot = "another"
    #expect(before.isGone())
  }

  @Test func whatCannotBeSeenIsNotGone() throws {
    var elsewhere = try deadProcess()
    elsewhere.host = "another"
    #expect(!elsewhere.isGone())
    var contained = try deadProcess()
    contained.pidNamespace = "another"
    #expect(!contained.isGone())
  }

  @Test func damageIsFoundBeforeTraining() throws {
    for _ in 0..<200 { _ = try store.beginRun(.example()) }
    try DatabaseQueue(path: store.path).close()
    let path = scratch.path("damaged.sqlite")
    try DatabaseQueue(path: store.path).writeWithoutTransaction { try $0.execute(sql: "VACUUM INTO '\(path)'") }
    var bytes = try scratch.bytes("damaged.sqlite")
    #expect(bytes.count > 40_000)
    for offset in stride(from: 8192, to: bytes.count, by: 97) { bytes[offset] ^= 0x5A }
    try bytes.write(to: URL(fileURLWithPath: path))
    let error = try #require(throws: RunStoreError.self) { try RunStore(path: path).checkIntegrity() }
    #expect(error.exitStatus == .badInput && error.description.hasPrefix("\(path): damaged: "), "\(error)")
    try store.checkIntegrity()
  }
}
