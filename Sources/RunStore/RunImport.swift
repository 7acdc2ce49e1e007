internal import GRDB

/// What became of the runs of another database: their numbers in this one.
public struct RunImport: Sendable, Equatable {
  /// Runs that were not here.
  public var added: [Int64] = []
  /// Runs that were here and had gone on since.
  public var updated: [Int64] = []
  /// Runs that were here and are left as they are.
  public var unchanged: [Int64] = []

  /// The numbers of the three kinds.
  public init(added: [Int64] = [], updated: [Int64] = [], unchanged: [Int64] = []) {
    (self.added, self.updated, self.unchanged) = (added, updated, unchanged)
  }
}

extension RunStore {
  /// Copies the runs of `other` with everything recorded about them, oldest first; in one transaction, so all or none.
  ///
  /// A run that is here already, by its token, is brought up to date if it has gone on in `other`: its values replace
  /// those here, and values beyond its last step go. Values that only this database has, such as later scores, stay.
  public func importRuns(of other: RunStore) throws -> RunImport {
    try other.read { source in
      let runs = try Row.fetchAll(source, sql: "SELECT * FROM runs ORDER BY id")
      return try write { target in
        var result = RunImport()
        for row in runs {
          let run = try Self.checked(row, in: source, path: other.path)
          guard let known = try Self.find(run, in: target) else {
            result.added.append(try Self.add(run, row, from: source, to: target))
            continue
          }
          guard try RunAge(run.id, in: source).isNewer(than: RunAge(known, in: target)) else {
            result.unchanged.append(known)
            continue
          }
          try Self.update(known, to: run, row, from: source, in: target)
          result.updated.append(known)
        }
        return result
      }
    }
  }

  /// A run to be imported.
  private struct Imported {
    let id: Int64
    let run: Run
    let token: String?
  }

  /// Throws unless every row of the run holds what this program writes.
  private static func checked(_ row: Row, in source: Database, path: String) throws -> Imported {
    do {
      let run = try Run(row: row)
      _ = try MetricPoint.of(run: run.id).rows(source)
      _ = try MergeRecord.of(run: run.id).rows(source)
      _ = try CheckpointRecord.of(run: run.id).rows(source)
      let token = try String.fetchOne(source, sql: "SELECT token FROM processes WHERE run_id = ?", arguments: [run.id])
      return Imported(id: run.id, run: run, token: token)
    } catch {
      // The transaction around this is the other database's, whose name the error would get.
      throw RunStoreError(error, path: path, timeout: 0) ?? error
    }
  }

  /// The same run in `target`. Runs of the first versions have no token; no two of them began in the same millisecond
  /// with the same name.
  private static func find(_ imported: Imported, in target: Database) throws -> Int64? {
    if let token = imported.token { return try run(token: token, in: target) }
    return try Int64.fetchOne(
      target,
      sql: """
        SELECT id FROM runs WHERE name = ? AND started_at = ? AND output_dir = ?
          AND id NOT IN (SELECT run_id FROM processes WHERE token IS NOT NULL)
        """,
      arguments: [imported.run.details.name, imported.run.startedAt, imported.run.details.outputDir])
  }

  private static func add(
    _ imported: Imported, _ row: Row, from source: Database, to target: Database
  ) throws -> Int64 {
    try insert(row, into: "runs", in: target, replacing: ["id": nil])
    let id = target.lastInsertedRowID
    for table in tables { try copy(table, of: imported.id, to: id, from: source, to: target) }
    return id
  }

  private static func update(
    _ known: Int64, to imported: Imported, _ row: Row, from source: Database, in target: Database
  ) throws {
    try insert(row, into: "runs", in: target, replacing: ["id": known])
    let last = try RunAge(imported.id, in: source).step
    try MetricPoint.of(run: known).filter(Column("step") > last).deleteAll(target)
    for table in tables {
      if table != MetricPoint.databaseTableName {
        _ = try Table(table).filter(Column("run_id") == known).deleteAll(target)
      }
      try copy(table, of: imported.id, to: known, from: source, to: target)
    }
  }

  /// Everything that belongs to a run.
  private static let tables = [
    MetricPoint.databaseTableName, MergeRecord.databaseTableName, CheckpointRecord.databaseTableName,
    ProcessIdentity.databaseTableName,
  ]

  private static func copy(
    _ table: String, of run: Int64, to id: Int64, from source: Database, to target: Database
  ) throws {
    let rows = try Row.fetchAll(source, sql: "SELECT * FROM \(table) WHERE run_id = ?", arguments: [run])
    for row in rows { try insert(row, into: table, in: target, replacing: ["run_id": id]) }
  }

  /// Inserts `row`, or puts it in the place of the row with the same key. Columns that other programs added to the source
  /// are left behind.
  private static func insert(
    _ row: Row, into table: String, in target: Database, replacing values: [String: (any DatabaseValueConvertible)?]
  ) throws {
    let columns = try target.columns(in: table).map(\.name).filter { row.hasColumn($0) }
    let arguments = columns.map { column in
      values[column].map { $0?.databaseValue ?? .null } ?? row[column] as DatabaseValue
    }
    let names = columns.joined(separator: ", "), marks = columns.map { _ in "?" }.joined(separator: ", ")
    try target.execute(
      sql: "INSERT OR REPLACE INTO \(table)(\(names)) VALUES (\(marks))", arguments: StatementArguments(arguments))
  }
}

/// How far a run has come, to tell which of two records of it is the later one.
private struct RunAge {
  let isCompleted: Bool
  /// The last step that the run itself recorded.
  let step: Int
  /// When it last did.
  let changed: String

  /// Scores are left out: `eval` adds them to a run that has ended.
  init(_ run: Int64, in database: Database) throws {
    let row = try Row.fetchOne(
      database,
      sql: """
        SELECT status = 'completed' AS done, MAX(started_at, COALESCE(finished_at, ''),
            COALESCE((SELECT MAX(recorded_at) FROM metrics WHERE run_id = id AND split = 'train'), ''),
            COALESCE((SELECT MAX(created_at) FROM checkpoints WHERE run_id = id), '')) AS changed,
          MAX(COALESCE((SELECT MAX(step) FROM metrics WHERE run_id = id AND split = 'train'), 0),
            COALESCE((SELECT MAX(step) FROM checkpoints WHERE run_id = id), 0)) AS step
        FROM runs WHERE id = ?
        """,
      arguments: [run])
    (isCompleted, step, changed) = (row?["done"] ?? false, row?["step"] ?? 0, row?["changed"] ?? "")
  }

  /// The clocks of two machines may differ, so a time alone never takes back that a run is complete.
  func isNewer(than other: RunAge) -> Bool {
    if other.isCompleted, !isCompleted, step <= other.step { return false }
    if isCompleted, !other.isCompleted, step >= other.step { return true }
    return changed > other.changed
  }
}
