internal import GRDB

extension RunStore {
  /// Adds a run with the status `running` and returns its number.
  public func beginRun(_ run: NewRun) throws -> Int64 {
    try write { database in
      try database.execute(
        sql: """
          INSERT INTO runs(name, status, started_at, model, model_type, task, strategy, r, lora_alpha, seed, precision,
            threads, adapter_parameters, trainable_parameters, total_parameters, config, output_dir, version)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
          """,
        arguments: [
          run.name, RunStatus.running.rawValue, Self.now(), run.model, run.modelType, run.task, run.strategy, run.r,
          run.loraAlpha, run.seed, run.precision, run.threads, run.parameters.adapter, run.parameters.trainable,
          run.parameters.total, run.config, run.outputDir, run.version,
        ])
      return database.lastInsertedRowID
    }
  }

  /// Continues a run after `step`: its status is `running` again, and what it recorded beyond `step` is dropped, since
  /// it will be recorded again.
  public func resumeRun(_ run: Int64, after step: Int) throws {
    try write { database in
      try database.execute(
        sql: "UPDATE runs SET status = ?, finished_at = NULL WHERE id = ?",
        arguments: [RunStatus.running.rawValue, run])
      try requireChange(database, run: run)
      for table in ["metrics", "merges", "checkpoints"] {
        try database.execute(sql: "DELETE FROM \(table) WHERE run_id = ? AND step > ?", arguments: [run, step])
      }
    }
  }

  /// Records values in one transaction; a value recorded before under the same step, split and name is replaced.
  public func record(run: Int64, metrics: [MetricRecord]) throws {
    let now = Self.now()
    try write { database in
      let statement = try database.cachedStatement(
        sql: """
          INSERT INTO metrics(run_id, step, epoch, split, name, value, recorded_at) VALUES (?, ?, ?, ?, ?, ?, ?)
          ON CONFLICT(run_id, step, split, name)
          DO UPDATE SET epoch = excluded.epoch, value = excluded.value, recorded_at = excluded.recorded_at
          """)
      for metric in metrics {
        let value = metric.value.isNaN ? nil : metric.value
        try statement.execute(arguments: [
          run, metric.step, metric.epoch, metric.split.rawValue, metric.name, value, now,
        ])
      }
    }
  }

  /// Records an event of ASLoRA.
  public func recordMerge(run: Int64, _ merge: MergeRecord) throws {
    try write { database in
      try database.execute(
        sql: """
          INSERT INTO merges(run_id, step, module, lower_layer, upper_layer, distance, groups_left)
          VALUES (?, ?, ?, ?, ?, ?, ?)
          """,
        arguments: [
          run, merge.step, merge.module, merge.lowerLayer, merge.upperLayer, merge.distance, merge.groupsLeft,
        ])
    }
  }

  /// Records a checkpoint that is complete on disk; one recorded before for the same step is replaced.
  public func recordCheckpoint(run: Int64, step: Int, path: String) throws {
    try write { database in
      try database.execute(sql: "DELETE FROM checkpoints WHERE run_id = ? AND step = ?", arguments: [run, step])
      try database.execute(
        sql: "INSERT INTO checkpoints(run_id, step, path, created_at) VALUES (?, ?, ?, ?)",
        arguments: [run, step, path, Self.now()])
    }
  }

  /// Drops the record of a checkpoint that `save_total_limit` removed from disk.
  public func removeCheckpoint(run: Int64, step: Int) throws {
    try write { database in
      try database.execute(sql: "DELETE FROM checkpoints WHERE run_id = ? AND step = ?", arguments: [run, step])
    }
  }

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
