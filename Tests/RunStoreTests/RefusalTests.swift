import Foundation
import GRDB
import RunStore
import Testing

/// Files that are not ours, and places where none can be.
@Suite struct RefusalTests {
  let scratch: Scratch
  let path: String

  init() throws {
    scratch = try Scratch()
    path = scratch.path("other.sqlite")
  }

  @Test(arguments: ["delete", "wal"])
  func foreignDatabasesAreLeftUntouched(journal: String) throws {
    try {
      let queue = try DatabaseQueue(path: path)
      try queue.writeWithoutTransaction { database throws in
        try database.execute(
          sql: "PRAGMA journal_mode = \(journal); CREATE TABLE runs(id); INSERT INTO runs VALUES (1)")
      }
      try queue.close()
    }()
    let before = try scratch.bytes("other.sqlite")
    let refusal = RunStoreError.foreign(path: path)
    #expect(throws: refusal) { try RunStore(path: path) }
    #expect(throws: refusal) { try RunStore.openExisting(path: path) }
    #expect(try scratch.bytes("other.sqlite") == before)
    #expect(refusal.exitStatus == .badInput)

  }

  @Test(arguments: [1, 15, 500, 600, 10_000])
  func otherFilesAreLeftUntouched(size: Int) throws {
    let text = String(repeating: "t", count: size)
    try Data(text.utf8).write(to: scratch.url.appendingPathComponent("other.sqlite"))
    let refusal = RunStoreError.notADatabase(path: path)
    #expect(throws: refusal) { try RunStore(path: path) }
    #expect(throws: refusal) { try RunStore.openExisting(path: path) }
    #expect(try scratch.bytes("other.sqlite") == Data(text.utf8))
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path) == ["other.sqlite"])
    #expect(refusal.exitStatus == .badInput)
  }

  /// What a process leaves that is killed within a transaction: a file half written, and a journal that undoes it.
  private func abandon(in name: String, after setup: String) throws {
    let queue = try DatabaseQueue(path: scratch.path("live.sqlite"))
    try queue.writeWithoutTransaction { database throws in
      try database.execute(sql: "PRAGMA journal_mode = delete; PRAGMA cache_size = 1; \(setup)")
      try database.execute(
        sql: "BEGIN; CREATE TABLE half(x); INSERT INTO half VALUES (randomblob(100000)), (randomblob(100000))")
      for ending in ["", "-journal"] {
        try FileManager.default.copyItem(
          atPath: scratch.path("live.sqlite" + ending), toPath: scratch.path(name + ending))
      }
      try database.execute(sql: "ROLLBACK")
    }
    try queue.close()
    #expect(try scratch.bytes(name).count > 100_000)
  }

  @Test(arguments: [false, true])
  func aFileThatAKilledProcessBeganIsTaken(readFirst: Bool) throws {
    try abandon(in: "other.sqlite", after: "")
    if readFirst { #expect(try RunStore.openExisting(path: path).runs().isEmpty) }
    let store = try RunStore(path: path)
    _ = try store.beginRun(.example(), token: "t", startedAt: RunStore.now())
    #expect(try store.runs().count == 1)
  }

  @Test func anAbandonedForeignDatabaseIsForeign() throws {
    try abandon(in: "other.sqlite", after: "CREATE TABLE theirs(x)")
    #expect(throws: RunStoreError.foreign(path: path)) { try RunStore(path: path) }
    #expect(throws: RunStoreError.foreign(path: path)) { try RunStore.openExisting(path: path) }
  }

  @Test func newerSchemasAreLeftUntouched() throws {
    _ = try RunStore(path: path)
    let queue = try DatabaseQueue(path: path)
    try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA user_version = 9") }
    try queue.close()
    let before = try scratch.bytes("other.sqlite")
    let refusal = RunStoreError.newer(path: path, version: 9, known: 2)
    #expect(throws: refusal) { try RunStore(path: path) }
    #expect(throws: refusal) { try RunStore.openExisting(path: path) }
    #expect(try scratch.bytes("other.sqlite") == before)
    #expect(refusal.exitStatus == .badInput)

  }

  @Test func nothingCanBeMadeUnderAFile() throws {
    try Data("x".utf8).write(to: scratch.url.appendingPathComponent("file"))
    let error = try #require(throws: RunStoreError.self) { try RunStore(path: scratch.path("file/runs.sqlite")) }
    #expect(error.exitStatus == .cannotCreate)
    #expect(error.description.hasPrefix("\(scratch.path("file/runs.sqlite")): cannot be created or written: "))
  }

  @Test func directoriesAreNoDatabases() throws {
    let refusal = RunStoreError.cannotCreate(path: scratch.url.path, reason: "is a directory")
    #expect(throws: refusal) { try RunStore(path: scratch.url.path) }
    #expect(refusal.exitStatus == .cannotCreate)
  }

  @Test func anEmptyPathIsNone() {
    #expect(throws: RunStoreError.cannotCreate(path: "", reason: "the path is empty")) { try RunStore(path: "") }
  }

  @Test func readingNeedsAFile() {
    let missing = RunStoreError.missing(path: path)
    #expect(throws: missing) { try RunStore.openExisting(path: path) }
    #expect(missing.exitStatus == .missingInput)
    #expect(!FileManager.default.fileExists(atPath: path))
  }
}
