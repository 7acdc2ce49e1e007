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

  /// Records an ASLoRA merge.
  public func recordMerge(run: Int64, _ merge: MergeRecord) throws { try record(run: run, [.merge(merge)]) }

  /// Records a checkpoint that is complete on disk; it replaces an earlier one of the same step.
  public func recordCheckpoint(run: Int64, step: Int, path: String) throws {
    try record(run: run, [.checkpoint(step: step, path: path)])
  }

  /// Removes the record of a checkpoint that `save_total_limit` removed from disk.
  public func removeCheckpoint(run: Int64, step: Int) throws { try record(run: run, [.checkpointRemoved(step: step)]) }

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
