internal import GRDB

/// The tables, as named migrations in the order in which versions of the program added them.
enum Schema {
  /// "spft": marks a database as ours (`PRAGMA application_id`).
  static let applicationID = 0x7370_6674

  /// The version that the last migration leads to (`PRAGMA user_version`).
  static let version = migrations.count

  /// Never change a released migration; append another.
  private static let migrations: [(name: String, sql: String)] = [
    (
      "runs, metrics, merges, checkpoints",
      """
      CREATE TABLE runs(
        id INTEGER PRIMARY KEY, name TEXT, status TEXT, started_at TEXT, finished_at TEXT,
        model TEXT, model_type TEXT, task TEXT, strategy TEXT, r INTEGER, lora_alpha REAL, seed INTEGER,
        precision TEXT, threads INTEGER,
        adapter_parameters INTEGER, trainable_parameters INTEGER, total_parameters INTEGER,
        config TEXT, output_dir TEXT, version TEXT);
      CREATE TABLE metrics(
        run_id INTEGER, step INTEGER, epoch REAL, split TEXT, name TEXT, value REAL, recorded_at TEXT,
        PRIMARY KEY (run_id, step, split, name));
      CREATE TABLE merges(
        run_id INTEGER, step INTEGER, module TEXT, lower_layer INTEGER, upper_layer INTEGER, distance REAL,
        groups_left INTEGER);
      CREATE TABLE checkpoints(run_id INTEGER, step INTEGER, path TEXT, created_at TEXT);
      """
    ),
    (
      // A separate table: the columns of `runs` are a promise to other programs.
      "processes",
      """
      CREATE TABLE processes(
        run_id INTEGER PRIMARY KEY, token TEXT UNIQUE, host TEXT, boot TEXT, pid_namespace TEXT, pid INTEGER,
        started TEXT);
      """
    ),
  ]

  /// Each migration is one transaction that also marks the file, so that a file is ours or empty, never in between.
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    for (index, migration) in migrations.enumerated() {
      migrator.registerMigration(migration.name, foreignKeyChecks: .immediate) { database in
        try database.execute(sql: migration.sql)
        try database.execute(sql: "PRAGMA application_id = \(applicationID)")
        try database.execute(sql: "PRAGMA user_version = \(index + 1)")
      }
    }
    return migrator
  }
}

// The public types of this module conform to these internal protocols, so that GRDB stays out of its interface.

/// A row that can be read from one of the tables: a property is a column, named in snake case.
protocol ReadableRow: Decodable, FetchableRecord, TableRecord {}

/// A row that can be written too.
protocol TableRow: ReadableRow, Encodable, PersistableRecord {}

/// A value of a fixed set, stored as its raw text.
protocol NamedValue: Codable, DatabaseValueConvertible {}

extension ReadableRow {
  static var databaseColumnDecodingStrategy: DatabaseColumnDecodingStrategy { .convertFromSnakeCase }

  /// The rows that belong to `run`.
  static func of(run: Int64) -> QueryInterfaceRequest<Self> { filter(Column("run_id") == run) }
}

extension QueryInterfaceRequest where RowDecoder: ReadableRow {
  /// The requested rows. Throws if a column holds a value of another type, which other programs may have written:
  /// GRDB's own `fetchAll` would read text as 0.
  func rows(_ database: Database) throws -> [RowDecoder] {
    try Row.fetchAll(database, self).map(RowDecoder.init(row:))
  }
}

extension TableRow {
  static var databaseColumnEncodingStrategy: DatabaseColumnEncodingStrategy { .convertToSnakeCase }
}

/// A row to be written beside the number of the run that it belongs to.
struct RunRow<Content: TableRow>: Encodable, PersistableRecord {
  static var databaseTableName: String { Content.databaseTableName }
  static var databaseColumnEncodingStrategy: DatabaseColumnEncodingStrategy { .convertToSnakeCase }

  var runId: Int64
  /// For the tables with such a column.
  var recordedAt: String?
  var content: Content

  private enum CodingKeys: CodingKey { case runId, recordedAt }

  func encode(to encoder: any Encoder) throws {
    var row = encoder.container(keyedBy: CodingKeys.self)
    try row.encode(runId, forKey: .runId)
    if let recordedAt { try row.encode(recordedAt, forKey: .recordedAt) }
    try content.encode(to: encoder)
  }
}
