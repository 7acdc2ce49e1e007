import Foundation
import GRDB
import RunStore
import Testing

/// Files of every earlier version of the program, as it wrote them.
@Suite struct MigrationTests {
  /// Version 1: dumped with `sqlite3 FILE .dump` from a run of 0.1.0.
  static let versions = [
    1: """
    CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
    INSERT INTO grdb_migrations VALUES('runs, metrics, merges, checkpoints');
    CREATE TABLE runs(
      id INTEGER PRIMARY KEY, name TEXT, status TEXT, started_at TEXT, finished_at TEXT,
      model TEXT, model_type TEXT, task TEXT, strategy TEXT, r INTEGER, lora_alpha REAL, seed INTEGER,
      precision TEXT, threads INTEGER,
      adapter_parameters INTEGER, trainable_parameters INTEGER, total_parameters INTEGER,
      config TEXT, output_dir TEXT, version TEXT);
    INSERT INTO runs VALUES(1,'tiny','completed','2026-11-20T10:00:00.000Z','2026-11-20T10:01:00.000Z','model','bert',
      'sst2','aslora',2,16.0,42,'float32',2,256,322,9999,'{}','run','0.1.0');
    INSERT INTO runs VALUES(2,'killed','running','2026-11-20T10:02:00.000Z',NULL,'model','bert',
      'sst2','lora',2,16.0,42,'float32',2,256,322,9999,'{}','run-2','0.1.0');
    CREATE TABLE metrics(
      run_id INTEGER, step INTEGER, epoch REAL, split TEXT, name TEXT, value REAL, recorded_at TEXT,
      PRIMARY KEY (run_id, step, split, name));
    INSERT INTO metrics VALUES(1,10,1.25,'train','loss',0.625,'2026-11-20T10:00:30.000Z');
    CREATE TABLE merges(
      run_id INTEGER, step INTEGER, module TEXT, lower_layer INTEGER, upper_layer INTEGER, distance REAL,
      groups_left INTEGER);
    INSERT INTO merges VALUES(1,2,'attention.self.query',1,2,0.25,2);
    CREATE TABLE checkpoints(run_id INTEGER, step INTEGER, path TEXT, created_at TEXT);
    PRAGMA application_id = 1936746100;
    PRAGMA user_version = 1;
    """
  ]

  @Test(arguments: versions.keys) func isBroughtUpToDate(version: Int) throws {
    let scratch = try Scratch()
    for opening in ["writing", "reading"] {
      let path = scratch.path("\(opening).sqlite")
      try {
        let queue = try DatabaseQueue(path: path)
        try queue.writeWithoutTransaction { try $0.execute(sql: Self.versions[version] ?? "") }
        try queue.close()
      }()
      let store = opening == "writing" ? try RunStore(path: path) : try RunStore.openExisting(path: path)
      try store.checkIntegrity()
      let runs = try store.runs()
      // Of a version-1 run nobody knows the process, so that it stays as it is.
      #expect(runs.map(\.status) == [.completed, .running])
      #expect(runs[0].details.parameters == ParameterCounts(adapter: 256, trainable: 322, total: 9999))
      #expect(
        try store.metrics(run: 1) == [MetricPoint(step: 10, epoch: 1.25, split: .train, name: "loss", value: 0.625)])
      #expect(try store.merges(run: 1).map(\.groupsLeft) == [2])
      let writer = try RunStore(path: path)
      #expect(try writer.run(writer.beginRun(.example(), token: "new")).status == .running)
      #expect(try writer.run(token: "new") == 3)
      let version = try DatabaseQueue(path: path).read { try Int.fetchOne($0, sql: "PRAGMA user_version") }
      #expect(version == Self.versions.count + 1)
    }
  }
}
