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
