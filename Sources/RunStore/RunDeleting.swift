internal import GRDB

extension RunStore {
  /// Deletes runs with everything recorded of them, all or none; their files stay. Throws where one is not there.
  public func delete(runs ids: [Int64]) throws {
    try write { database in
      let tables = try String.fetchAll(
        database, sql: "SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE c.name = 'run_id'")
      for id in ids {
        try database.execute(sql: "DELETE FROM runs WHERE id = ?", arguments: [id])
        if database.changesCount == 0 { throw RunStoreError.noSuchRun(path: path, id: id) }
        for table in tables {
          try database.execute(sql: "DELETE FROM \(table.quotedDatabaseIdentifier) WHERE run_id = ?", arguments: [id])
        }
      }
    }
  }
}
