internal import GRDB

/// What a run has recorded so far, as its output directory knows it: enough to write its row anew.
public struct RunHistory: Sendable, Equatable {
  /// Everything measured, in order.
  public var metrics: [MetricRecord]
  /// Every merge, in order.
  public var merges: [MergeRecord]
  /// Paths of the checkpoints on disk, by their steps.
  public var checkpoints: [Int: String]

  /// A history of its parts.
  public init(metrics: [MetricRecord] = [], merges: [MergeRecord] = [], checkpoints: [Int: String] = [:]) {
    self.metrics = metrics
    self.merges = merges
    self.checkpoints = checkpoints
  }
}

extension RunStore {
  /// The number of the run that `token` names; nil where this database does not have it.
  public func run(token: String) throws -> Int64? {
    let ids = try read {
      try Int64.fetchAll(
        $0, sql: "SELECT run_id FROM processes JOIN runs ON runs.id = run_id WHERE token = ?", arguments: [token])
    }
    return ids.first
  }

  /// Continues the run that `token` names after `step`, or adds it where the database does not have it (any more), and
  /// returns its number.
  ///
  /// In one transaction: metrics recorded beyond `step` go, since they will be recorded again; those that `history` has
  /// and the table has not are added; merges and checkpoints become those of `history`; the run is `running` again, as
  /// `run` describes it.
  public func resumeRun(
    _ run: NewRun, token: String, startedAt: String, after step: Int, history: RunHistory
  ) throws -> Int64 {
    try write { database in
      let known = try Int64.fetchOne(
        database, sql: "SELECT run_id FROM processes JOIN runs ON runs.id = run_id WHERE token = ?", arguments: [token])
      let id: Int64
      if let known {
        id = known
        try database.execute(
          sql: """
            UPDATE runs SET name = ?, status = ?, finished_at = NULL, model = ?, threads = ?, config = ?,
              output_dir = ?, version = ? WHERE id = ?
            """,
          arguments: [
            run.name, RunStatus.running.rawValue, run.model, run.threads, run.config, run.outputDir, run.version, id,
          ])
        try Self.record(.current, of: id, token: token, in: database)
      } else {
        id = try Self.insert(run, token: token, startedAt: startedAt, in: database)
      }
      try database.execute(sql: "DELETE FROM metrics WHERE run_id = ? AND step > ?", arguments: [id, step])
      try Self.insert(history.metrics, of: id, replacing: false, in: database)
      try database.execute(sql: "DELETE FROM merges WHERE run_id = ?", arguments: [id])
      for merge in history.merges { try Self.insert(merge, of: id, in: database) }
      for known in try Int.fetchAll(database, sql: "SELECT step FROM checkpoints WHERE run_id = ?", arguments: [id])
      where history.checkpoints[known] == nil { try Self.deleteCheckpoint(id, known, in: database) }
      for (step, path) in history.checkpoints.sorted(by: { $0.key < $1.key }) {
        let same = try Bool.fetchOne(
          database, sql: "SELECT TRUE FROM checkpoints WHERE run_id = ? AND step = ? AND path = ?",
          arguments: [id, step, path])
        if same == nil { try Self.insertCheckpoint(id, step, path, in: database) }
      }
      return id
    }
  }

  /// Sets the runs to `interrupted` that are `running` in a process that is gone. Their end is the last thing recorded.
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
          arguments: [RunStatus.interrupted.rawValue, id, RunStatus.running.rawValue])
      }
    }
  }

  /// The runs that are `running` in a process that is gone.
  static func abandoned(_ database: Database) throws -> [Int64] {
    let observer = ProcessIdentity.current
    let rows = try Row.fetchAll(
      database,
      sql: "SELECT processes.* FROM processes JOIN runs ON runs.id = run_id WHERE status = ?",
      arguments: [RunStatus.running.rawValue])
    return rows.compactMap { row -> Int64? in
      guard let id = Int64.fromDatabaseValue(row["run_id"]), let process = ProcessIdentity(row) else { return nil }
      return process.isGone(seenFrom: observer) ? id : nil
    }
  }

  static func record(_ process: ProcessIdentity, of run: Int64, token: String, in database: Database) throws {
    try database.execute(
      sql: """
        INSERT OR REPLACE INTO processes(run_id, token, host, boot, pid_namespace, pid, started)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """,
      arguments: [run, token, process.host, process.boot, process.pidNamespace, process.pid, process.started])
  }
}

extension ProcessIdentity {
  /// A row of `processes`; nil where another program wrote nonsense into it.
  fileprivate init?(_ row: Row) {
    guard let host = String.fromDatabaseValue(row["host"]), let boot = String.fromDatabaseValue(row["boot"]),
      let pidNamespace = String.fromDatabaseValue(row["pid_namespace"]), let pid = Int.fromDatabaseValue(row["pid"]),
      let started = String.fromDatabaseValue(row["started"])
    else { return nil }
    self.init(host: host, boot: boot, pidNamespace: pidNamespace, pid: pid, started: started)
  }
}
