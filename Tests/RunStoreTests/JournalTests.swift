import Foundation
import GRDB
import RunStore
import Testing

/// Write-ahead logging on local file systems, a rollback journal on those that several machines share.
@Suite struct JournalTests {
  let scratch: Scratch
  let path: String

  init() throws {
    scratch = try Scratch()
    path = scratch.path("runs.sqlite")
  }

  /// Numbers of Linux's `linux/magic.h` and of the file systems' own sources.
  @Test(
    arguments: [
      (0x6969, "NFS"), (0x0BD0_0BD0, "Lustre"), (0x4750_4653, "GPFS"), (0xFF53_4D42, "SMB"), (0xFE53_4D42, "SMB"),
      (0x1983_0326, "BeeGFS"), (0x00C3_6400, "CephFS"), (0xEF53, nil), (0x0102_1994, nil), (0x9123_683E, nil),
      (0x794C_7630, nil), (0x6573_5546, nil),
    ] as [(UInt32, String?)])
  func networkFileSystemsAreKnownByTheirNumber(type: UInt32, name: String?) {
    #expect(FileSystem(type: type).networkName == name)
    #expect(Journal(for: FileSystem(type: type)) == (name == nil ? .wal : .rollback))
  }

  @Test func theFileSystemOfAFileIsThatOfItsFirstParent() throws {
    let here = try #require(FileSystem(of: scratch.url.path))
    #expect(FileSystem(of: scratch.path("not/yet/there.sqlite")) == here)
    #expect(try #require(FileSystem(of: "/proc/self/status")).type == 0x9FA0)
    #expect(Journal(for: nil) == .wal)
  }

  private func mode() throws -> String? {
    try DatabaseQueue(path: path).read { try String.fetchOne($0, sql: "PRAGMA journal_mode") }
  }

  @Test func aRollbackJournalLeavesOneFileThatCanBecomeTheOther() throws {
    let id = try RunStore(path: path, journal: .rollback).beginRun(.example())
    #expect(try mode() == "delete")
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path) == ["runs.sqlite"])
    #expect(try RunStore.openExisting(path: path).run(id).details == .example())
    #expect(try RunStore(path: path).run(id).details == .example())
    #expect(try mode() == "wal")
    #expect(try RunStore(path: path, journal: .rollback).run(id).details == .example())
    #expect(try mode() == "delete")
    #expect(RunStore.notice(path) == nil, "this file system is a local one")
  }

  @Test func writersWithARollbackJournalLoseNothing() async throws {
    let path = path
    try await withThrowingTaskGroup(of: Void.self) { group in
      for writer in 0..<4 {
        group.addTask {
          let store = try RunStore(path: path, journal: .rollback)
          let id = try store.beginRun(.example("writer \(writer)"))
          for step in 0..<20 {
            let loss = MetricPoint(step: step, epoch: 0, split: .train, name: "loss", value: Double(step))
            try store.record(run: id, metrics: [loss])
            _ = try RunStore.openExisting(path: path).metrics(run: id)
          }
          try store.finishRun(id, status: .completed)
        }
      }
      try await group.waitForAll()
    }
    let store = try RunStore.openExisting(path: path)
    #expect(try store.runs(RunFilter(status: .completed)).count == 4)
    for run in try store.runs() { #expect(try store.metrics(run: run.id).map(\.step) == Array(0..<20)) }
  }

  /// What a process leaves that was killed between the first page and the last: its journal is beside the file.
  @Test func anUnfinishedTransactionIsRolledBackByReadersToo() throws {
    let id = try RunStore(path: path, journal: .rollback).beginRun(.example())
    let (file, journal) = (scratch.url.appendingPathComponent("runs.sqlite"), path + "-journal")
    var configuration = Configuration()
    configuration.prepareDatabase { try $0.execute(sql: "PRAGMA cache_size = 1; PRAGMA cache_spill = 1") }
    let writer = try DatabaseQueue(path: path, configuration: configuration)
    let copied = try scratch.torn()
    try writer.writeWithoutTransaction { database throws in
      try database.execute(sql: "BEGIN IMMEDIATE; UPDATE runs SET name = 'torn'")
      for row in 0..<2000 {
        try database.execute(
          sql: "INSERT INTO metrics(run_id, step, split, name, value) VALUES (?, ?, 'train', 'loss', 1)",
          arguments: [id, row])
      }
      try FileManager.default.copyItem(at: file, to: URL(fileURLWithPath: copied))
      try FileManager.default.copyItem(atPath: journal, toPath: copied + "-journal")
      try database.execute(sql: "ROLLBACK")
    }
    #expect(try Data(contentsOf: URL(fileURLWithPath: copied)).count > scratch.bytes("runs.sqlite").count)
    let reader = try RunStore.openExisting(path: copied)
    #expect(try reader.run(id).details == .example())
    #expect(try reader.metrics(run: id).isEmpty)
  }
}

extension Scratch {
  /// Where a copy of a database can lie, in a directory of its own.
  fileprivate func torn() throws -> String {
    try FileManager.default.createDirectory(at: url.appendingPathComponent("copy"), withIntermediateDirectories: true)
    return path("copy/runs.sqlite")
  }
}
