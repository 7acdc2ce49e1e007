internal import GRDB

extension RunStore {
  /// The number of the run with this token; nil if the database does not have it.
  public func run(token: String) throws -> Int64? { try read { try Self.run(token: token, in: $0) } }

  private static func run(token: String, in database: Database) throws -> Int64? {
    try Int64.fetchOne(
      database, sql: "SELECT run_id FROM processes JOIN runs ON runs.id = run_id WHERE token = ?", arguments: [token])
  }

  /// Continues the run with this token after `step`, or adds it if the database does not have it (any more), and
  /// returns its number.
  ///
  /// In one transaction: metrics beyond `step` are deleted, since they will be recorded again; those missing from the
  /// table are added from `history`; merges and checkpoints become those of `history`; the run is `running` again, as
  /// `run` describes it.
  public func resumeRun(
    _ run: RunDetails, token: String, startedAt: String, after step: Int, history: RunHistory
  ) throws -> Int64 {
    try write { database in
      let id: Int64
      if let known = try Self.run(token: token, in: database) {
        id = known
        let row = try run.databaseDictionary
        let changes = ["name", "model", "threads", "config", "output_dir", "version"].map {
          Column($0).set(to: row[$0])
        }
        try Run.filter(key: id).updateAll(
          database, changes + [Column("status").set(to: RunStatus.running), Column("finished_at").set(to: nil)])
        try Self.record(.current, of: id, token: token, in: database)
      } else {
        id = try Self.insert(run, token: token, startedAt: startedAt, in: database)
      }
      try MetricPoint.of(run: id).filter(Column("step") > step).deleteAll(database)
      try Self.insert(history.metrics, of: id, onConflict: .ignore, in: database)
      try MergeRecord.of(run: id).deleteAll(database)
      for merge in history.merges { try Self.insert(merge, of: id, in: database) }
      let recorded = try CheckpointRecord.of(run: id).rows(database)
      for old in recorded where history.checkpoints[old.step] == nil {
        try Self.deleteCheckpoint(id, old.step, in: database)
      }
      for (step, path) in history.checkpoints.sorted(by: { $0.key < $1.key })
      where !recorded.contains(where: { $0.step == step && $0.path == path }) {
        try Self.insertCheckpoint(id, step, path, in: database)
      }
      return id
    }
  }

  /// Sets runs to `interrupted` that are `running` in a process that is gone. They end with the last value recorded.
  func markAbandoned() throws {
    let gone = try read(Self.abandoned)
    guard !gone.isEmpty else { return }
    try write { database in
      for id in try Self.abandoned(database) {
        try database.execute(
          sql: """
            UPDATE runs SET status = ?, finished_at = COALESCE(
              (SELECT MAX(recorded_at) FROM metrics WHERE run_id = runs.id AND recorded_at >= runs.started_at), started_at)
            WHERE id = ? AND status = ?
            """,
          arguments: [RunStatus.interrupted, id, RunStatus.running])
      }
    }
  }

  /// The runs that are `running` in a process that is gone. Rows that another program damaged are left alone.
  static func abandoned(_ database: Database) throws -> [Int64] {
    let observer = ProcessIdentity.current
    let rows = try Row.fetchAll(
      database, sql: "SELECT processes.* FROM processes JOIN runs ON runs.id = run_id WHERE status = ?",
      arguments: [RunStatus.running])
    return rows.compactMap { row in
      guard let process = try? ProcessIdentity(row: row), process.isGone(seenFrom: observer) else { return nil }
      return Int64.fromDatabaseValue(row["run_id"])
    }
  }

  static func record(_ process: ProcessIdentity, of run: Int64, token: String, in database: Database) throws {
    try RunRow(runId: run, content: process).insert(database, onConflict: .replace)
    try database.execute(
      sql: "UPDATE OR REPLACE processes SET token = ? WHERE run_id = ?", arguments: [token, run])
  }
}
