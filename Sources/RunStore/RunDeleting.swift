internal import GRDB

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
