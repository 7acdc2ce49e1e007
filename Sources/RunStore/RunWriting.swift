internal import GRDB

extension RunStore {
  /// Adds a run with the status `running`, in this process, and returns its number. `token` is a name of its own that
  /// the run's directory keeps, so that it is found again.
  public func beginRun(
    _ run: NewRun, token: String = RunStore.newToken(), startedAt: String = RunStore.now()
  ) throws -> Int64 {
    try write { try Self.insert(run, token: token, startedAt: startedAt, in: $0) }
  }

  /// A name that no other run has.
  public static func newToken() -> String {
    String(UInt64.random(in: 0...(.max)), radix: 36) + String(UInt64.random(in: 0...(.max)), radix: 36)
  }

  static func insert(_ run: NewRun, token: String, startedAt: String, in database: Database) throws -> Int64 {
    try database.execute(
      sql: """
        INSERT INTO runs(name, status, started_at, model, model_type, task, strategy, r, lora_alpha, seed, precision,
          threads, adapter_parameters, trainable_parameters, total_parameters, config, output_dir, version)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        run.name, RunStatus.running.rawValue, startedAt, run.model, run.modelType, run.task, run.strategy, run.r,
        run.loraAlpha, run.seed, run.precision, run.threads, run.parameters.adapter, run.parameters.trainable,
        run.parameters.total, run.config, run.outputDir, run.version,
      ])
    let id = database.lastInsertedRowID
    try record(.current, of: id, token: token, in: database)
    return id
  }

  /// Records values in one transaction; a value recorded before under the same step, split and name is replaced.
  public func record(run: Int64, metrics: [MetricRecord]) throws {
    try write { try Self.insert(metrics, of: run, replacing: true, in: $0) }
  }

  /// Records several kinds of rows in one transaction.
  public func record(run: Int64, _ entries: [RunEntry]) throws {
    try write { database in
      for entry in entries {
        switch entry {
        case .metrics(let metrics): try Self.insert(metrics, of: run, replacing: true, in: database)
        case .merge(let merge): try Self.insert(merge, of: run, in: database)
        case .checkpoint(let step, let path): try Self.insertCheckpoint(run, step, path, in: database)
        case .checkpointRemoved(let step): try Self.deleteCheckpoint(run, step, in: database)
        }
      }
    }
  }

  static func insert(_ metrics: [MetricRecord], of run: Int64, replacing: Bool, in database: Database) throws {
    let now = now()
    let statement = try database.cachedStatement(
      sql: """
        INSERT INTO metrics(run_id, step, epoch, split, name, value, recorded_at) VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT(run_id, step, split, name) DO
        """
          + (replacing
            ? " UPDATE SET epoch = excluded.epoch, value = excluded.value, recorded_at = excluded.recorded_at"
            : " NOTHING"))
    for metric in metrics {
      let value = metric.value.isNaN ? nil : metric.value
      try statement.execute(arguments: [
        run, metric.step, metric.epoch, metric.split.rawValue, metric.name, value, now,
      ])
    }
  }

  static func insert(_ merge: MergeRecord, of run: Int64, in database: Database) throws {
    try database.execute(
      sql: """
        INSERT INTO merges(run_id, step, module, lower_layer, upper_layer, distance, groups_left)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """,
      arguments: [run, merge.step, merge.module, merge.lowerLayer, merge.upperLayer, merge.distance, merge.groupsLeft])
  }

  static func insertCheckpoint(_ run: Int64, _ step: Int, _ path: String, in database: Database) throws {
    try deleteCheckpoint(run, step, in: database)
    try database.execute(
      sql: "INSERT INTO checkpoints(run_id, step, path, created_at) VALUES (?, ?, ?, ?)",
      arguments: [run, step, path, now()])
  }

  static func deleteCheckpoint(_ run: Int64, _ step: Int, in database: Database) throws {
    try database.execute(sql: "DELETE FROM checkpoints WHERE run_id = ? AND step = ?", arguments: [run, step])
  }

  /// Records an event of ASLoRA.
  public func recordMerge(run: Int64, _ merge: MergeRecord) throws { try record(run: run, [.merge(merge)]) }

  /// Records a checkpoint that is complete on disk; one recorded before for the same step is replaced.
  public func recordCheckpoint(run: Int64, step: Int, path: String) throws {
    try record(run: run, [.checkpoint(step: step, path: path)])
  }

  /// Drops the record of a checkpoint that `save_total_limit` removed from disk.
  public func removeCheckpoint(run: Int64, step: Int) throws { try record(run: run, [.checkpointRemoved(step: step)]) }

  /// Ends a run; `parameters` replaces the counts where merging changed them.
  public func finishRun(_ run: Int64, status: RunStatus, parameters: ParameterCounts? = nil) throws {
    try write { database in
      try database.execute(
        sql: """
          UPDATE runs SET status = ?, finished_at = ?,
            adapter_parameters = COALESCE(?, adapter_parameters),
            trainable_parameters = COALESCE(?, trainable_parameters),
            total_parameters = COALESCE(?, total_parameters)
          WHERE id = ?
          """,
        arguments: [
          status.rawValue, Self.now(), parameters?.adapter, parameters?.trainable, parameters?.total, run,
        ])
      try requireChange(database, run: run)
    }
  }

  private func requireChange(_ database: Database, run: Int64) throws {
    if database.changesCount == 0 { throw RunStoreError.noSuchRun(path: path, id: run) }
  }
}
