internal import GRDB

extension RunStore {
  /// Adds a run with the status `running`, in this process, and returns its number. `token` is a unique name that the
  /// run's directory keeps, so that the run can be found again.
  public func beginRun(
    _ run: RunDetails, token: String = RunStore.newToken(), startedAt: String = RunStore.now()
  ) throws -> Int64 {
    try write { try Self.insert(run, token: token, startedAt: startedAt, in: $0) }
  }

  /// A name that no other run has.
  public static func newToken() -> String {
    String(UInt64.random(in: 0...(.max)), radix: 36) + String(UInt64.random(in: 0...(.max)), radix: 36)
  }

  static func insert(_ run: RunDetails, token: String, startedAt: String, in database: Database) throws -> Int64 {
    try run.insert(database)
    let id = database.lastInsertedRowID
    try Run.filter(key: id).updateAll(
      database, Column("status").set(to: RunStatus.running), Column("started_at").set(to: startedAt))
    try record(.current, of: id, token: token, in: database)
    return id
  }

  /// Records values in one transaction; a value replaces an earlier one of the same step, split and name.
  public func record(run: Int64, metrics: [MetricPoint]) throws { try record(run: run, [.metrics(metrics)]) }

  /// Records several entries in one transaction.
  public func record(run: Int64, _ entries: [HistoryEntry]) throws {
    try write { database in
      for entry in entries {
        switch entry {
        case .metrics(let metrics): try Self.insert(metrics, of: run, onConflict: .replace, in: database)
        case .merge(let merge): try Self.insert(merge, of: run, in: database)
        case .checkpoint(let step, let path): try Self.insertCheckpoint(run, step, path, in: database)
        case .checkpointRemoved(let step): try Self.deleteCheckpoint(run, step, in: database)
        }
      }
    }
  }

  static func insert(
    _ metrics: [MetricPoint], of run: Int64, onConflict resolution: Database.ConflictResolution, in database: Database
  ) throws {
    let now = now()
    for metric in metrics {
      try RunRow(runId: run, recordedAt: now, content: metric).insert(database, onConflict: resolution)
    }
  }

  static func insert(_ merge: MergeRecord, of run: Int64, in database: Database) throws {
    try RunRow(runId: run, content: merge).insert(database)
  }

  static func insertCheckpoint(_ run: Int64, _ step: Int, _ path: String, in database: Database) throws {
    try deleteCheckpoint(run, step, in: database)
    let checkpoint = CheckpointRecord(step: step, path: path, createdAt: now())
    try RunRow(runId: run, content: checkpoint).insert(database)
  }

  static func deleteCheckpoint(_ run: Int64, _ step: Int, in database: Database) throws {
    try CheckpointRecord.of(run: run).filter(Column("step") == step).deleteAll(database)
  }

  /// Ends a run; `parameters` replaces the counts if merging changed them.
  public func finishRun(_ run: Int64, status: RunStatus, parameters: ParameterCounts? = nil) throws {
    try write { database in
      var changes = [Column("status").set(to: status), Column("finished_at").set(to: Self.now())]
      if let parameters {
        changes += [
          Column("adapter_parameters").set(to: parameters.adapter),
          Column("trainable_parameters").set(to: parameters.trainable),
          Column("total_parameters").set(to: parameters.total),
        ]
      }
      let count = try Run.filter(key: run).updateAll(database, changes)
      if count == 0 { throw RunStoreError.noSuchRun(path: path, id: run) }
    }
  }
}

extension RunStore {
  /// The number of the run with this token; nil if the database does not have it.
  public func run(token: String) throws -> Int64? { try read { try Self.run(token: token, in: $0) } }

  static func run(token: String, in database: Database) throws -> Int64? {
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

extension RunStore {
  /// Deletes runs and everything recorded about them, all or none; their files stay. Throws if one does not exist.
  public func delete(runs ids: [Int64]) throws {
    try write { database in
      let tables = try String.fetchAll(
        database, sql: "SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE c.name = 'run_id'")
      for id in ids {
        guard try Run.deleteOne(database, key: id) else { throw RunStoreError.noSuchRun(path: path, id: id) }
        for table in tables { _ = try Table(table).filter(Column("run_id") == id).deleteAll(database) }
      }
    }
  }
}
