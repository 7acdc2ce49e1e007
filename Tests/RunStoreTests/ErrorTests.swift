import Diagnostics
import Foundation
import GRDB
import RunStore
import Testing

/// Every error by its exact sentence.
@Suite struct ErrorTests {
  private static let statement = FailedStatement(sql: "INSERT INTO runs(name) VALUES (?)", arguments: "[\"a\"]")

  @Test(arguments: [
    (RunStoreError.missing(path: "p"), "p: no such database", Diagnostics.ExitStatus.missingInput),
    (.unreadable(path: "p"), "p: cannot be read: permission denied", .missingInput),
    (.notADatabase(path: "p"), "p: not an SQLite database; choose another file for the runs", .badInput),
    (.foreign(path: "p"), "p: belongs to another program; choose another file for the runs", .badInput),
    (
      .newer(path: "p", version: 9, known: 2),
      "p: written by a newer swift-peft (schema 9; this version supports up to 2); update swift-peft", .badInput
    ),
    (
      .cannotCreate(path: "p", reason: "is a directory"), "p: cannot be created or written: is a directory",
      .cannotCreate
    ),
    (.locked(path: "p", seconds: 0.5), "p: locked by another process; gave up after 0.5 s", .ioError),
    (.damaged(path: "p", what: "malformed"), "p: damaged: malformed", .badInput),
    (.noSuchRun(path: "p", id: 7), "p: no run 7", .missingInput),
    (
      .diskFailed(path: "p", reason: "database or disk is full", statement: statement), "p: database or disk is full",
      .ioError
    ),
    (.failed(path: "p", reason: "out of memory"), "p: out of memory", .ioError),
    (
      .failed(path: "p", reason: "no such table: runs", statement: statement),
      "p: no such table: runs, while executing `INSERT INTO runs(name) VALUES (?)`", .ioError
    ),
  ]) func sentences(error: RunStoreError, sentence: String, status: Diagnostics.ExitStatus) {
    #expect(error.description == sentence)
    #expect(error.exitStatus == status)
  }

  @Test func aFailedStatementIsKeptWithItsArguments() throws {
    let scratch = try Scratch()
    let store = try RunStore(path: scratch.path("runs.sqlite"))
    try DatabaseQueue(path: store.path).write { try $0.execute(sql: "DROP TABLE merges") }
    let error = try #require(throws: RunStoreError.self) {
      try store.record(
        run: 1,
        [.merge(MergeRecord(step: 2, module: "query", lowerLayer: 0, upperLayer: 1, distance: 0.5, groupsLeft: 3))])
    }
    guard case .failed(store.path, "no such table: merges", _) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(error.description.hasPrefix("\(store.path): no such table: merges"))
  }

  @Test func aConstraintNamesStatementAndArguments() throws {
    let scratch = try Scratch()
    let store = try RunStore(path: scratch.path("runs.sqlite"))
    try DatabaseQueue(path: store.path).write {
      try $0.execute(sql: "CREATE UNIQUE INDEX one ON runs(name)")
    }
    _ = try store.beginRun(.example("a"))
    let error = try #require(throws: RunStoreError.self) { try store.beginRun(.example("a")) }
    guard case .failed(_, let reason, let statement?) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(reason == "UNIQUE constraint failed: runs.name")
    #expect(statement.sql.hasPrefix("INSERT INTO \"runs\"") && statement.arguments.contains("\"a\""))
    #expect(error.description.contains("while executing `INSERT INTO \"runs\""))
  }
}
