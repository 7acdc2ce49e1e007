import Diagnostics
import Foundation
import GRDB
import RunStore
import Testing

/// Reading a database that may not be written to, and deleting runs.
@Suite struct ReadingTests {
  let scratch: Scratch
  let path: String

  init() throws {
    scratch = try Scratch()
    path = scratch.path("runs.sqlite")
  }

  @Test func aReaderLeavesAnEmptyFileEmpty() throws {
    try Data().write(to: scratch.url.appendingPathComponent("runs.sqlite"))
    #expect(try RunStore.openExisting(path: path).runs().isEmpty)
    #expect(try scratch.bytes("runs.sqlite").isEmpty)
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path) == ["runs.sqlite"])
  }

  @Test func aReaderMakesNoDatabase() throws {
    #expect(throws: RunStoreError.missing(path: path)) { try RunStore.openExisting(path: path) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path).isEmpty)
  }

  /// Root may write anywhere, so the test says what another user would see: `scripts/test.sh` reads as one.
  @Test(.enabled(if: getuid() != 0)) func needsNoPermissionToWrite() throws {
    let id = try RunStore(path: path).beginRun(.example())
    for ending in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + ending) }
    try FileManager.default.setAttributes([.posixPermissions: 0o444], ofItemAtPath: path)
    try FileManager.default.setAttributes([.posixPermissions: 0o555], ofItemAtPath: scratch.url.path)
    defer { try? FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: scratch.url.path) }
    #expect(try RunStore.openExisting(path: path).run(id).details == .example())
  }

  @Test func deletesARunWithEverythingRecordedOfIt() throws {
    let store = try RunStore(path: path)
    let ids = try (0..<3).map { _ in try store.beginRun(.example()) }
    for id in ids {
      try store.record(run: id, metrics: [MetricPoint(step: 1, epoch: 0, split: .train, name: "loss", value: 1)])
      try store.record(
        run: id, [.merge(MergeRecord(step: 1, module: "m", lowerLayer: 0, upperLayer: 1, distance: 0, groupsLeft: 1))])
      try store.record(run: id, [.checkpoint(step: 1, path: "p")])
    }
    let missing = RunStoreError.noSuchRun(path: path, id: 9)
    #expect(throws: missing) { try store.delete(runs: [ids[0], 9]) }
    #expect(try store.runs().map(\.id) == ids)

    try store.delete(runs: [ids[0], ids[2]])
    #expect(try store.runs().map(\.id) == [ids[1]])
    try DatabaseQueue(path: path).read { database throws in
      for table in ["metrics", "merges", "checkpoints"] {
        #expect(try Int64.fetchAll(database, sql: "SELECT run_id FROM \(table)") == [ids[1]])
      }
    }
  }
}
