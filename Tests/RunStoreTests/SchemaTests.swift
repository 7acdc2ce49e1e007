import Foundation
import GRDB
import RunStore
import Testing

/// What other programs see when they open the file.
@Suite struct SchemaTests {
  let scratch: Scratch
  let path: String

  init() throws {
    scratch = try Scratch()
    path = scratch.path("deep/down/runs.sqlite")
  }

  @Test(arguments: [
    (
      "runs",
      """
      id INTEGER, name TEXT, status TEXT, started_at TEXT, finished_at TEXT, model TEXT, model_type TEXT, task TEXT, \
      strategy TEXT, r INTEGER, lora_alpha REAL, seed INTEGER, precision TEXT, threads INTEGER, \
      adapter_parameters INTEGER, trainable_parameters INTEGER, total_parameters INTEGER, config TEXT, \
      output_dir TEXT, version TEXT
      """, ["id"]
    ),
    (
      "metrics",
      """
      run_id INTEGER, step INTEGER, epoch REAL, split TEXT, name TEXT, value REAL, recorded_at TEXT
      """, ["run_id", "step", "split", "name"]
    ),
    (
      "merges",
      """
      run_id INTEGER, step INTEGER, module TEXT, lower_layer INTEGER, upper_layer INTEGER, distance REAL, \
      groups_left INTEGER
      """, []
    ),
    ("checkpoints", "run_id INTEGER, step INTEGER, path TEXT, created_at TEXT", []),
  ])
  func tablesAreTheContracts(table: String, columns: String, key: [String]) throws {
    _ = try RunStore(path: path)
    let rows = try DatabaseQueue(path: path).read { try Row.fetchAll($0, sql: "PRAGMA table_info(\(table))") }
    let found = rows.map { row in "\(row["name"] as String) \(row["type"] as String)" }
    #expect(found.joined(separator: ", ") == columns)
    let keyed = rows.filter { ($0["pk"] as Int) > 0 }.sorted { ($0["pk"] as Int) < ($1["pk"] as Int) }
    #expect(keyed.map { $0["name"] as String } == key)
  }

  @Test func theFileIsMarkedAndInWALMode() throws {
    _ = try RunStore(path: path)
    try DatabaseQueue(path: path).read { database throws in
      #expect(try String.fetchOne(database, sql: "PRAGMA journal_mode") == "wal")
      #expect(try Int.fetchOne(database, sql: "PRAGMA application_id") == 0x7370_6674)
      #expect(try Int.fetchOne(database, sql: "PRAGMA user_version") == 2)
    }
  }

  @Test func rowsOutliveTheStore() throws {
    let id = try RunStore(path: path).beginRun(.example())
    #expect(try RunStore(path: path).run(id).details == .example())
    #expect(try RunStore.openExisting(path: path).run(id).details == .example())
  }

  @Test func emptyFilesAreTakenOver() throws {
    try Data().write(to: scratch.url.appendingPathComponent("empty.sqlite"))
    #expect(try RunStore(path: scratch.path("empty.sqlite")).beginRun(.example()) == 1)
  }

  @Test func readersCannotWrite() throws {
    _ = try RunStore(path: path)
    let reader = try RunStore.openExisting(path: path)
    #expect(throws: RunStoreError.self) { try reader.beginRun(.example()) }
  }

  @Test func otherProgramsNonsenseIsReported() throws {
    let store = try RunStore(path: path)
    let id = try store.beginRun(.example())
    try DatabaseQueue(path: path).write { try $0.execute(sql: "UPDATE runs SET r = 'many'") }
    let damage = RunStoreError.damaged(
      path: path, what: "column r: could not decode Int from database value \"many\"")
    #expect(throws: damage) { try store.run(id) }
    try DatabaseQueue(path: path).write { try $0.execute(sql: "UPDATE runs SET r = 8, status = 'asleep'") }
    #expect(
      throws: RunStoreError.damaged(
        path: path, what: "column status: could not decode RunStatus from database value \"asleep\"")
    ) { try store.run(id) }
  }
}
