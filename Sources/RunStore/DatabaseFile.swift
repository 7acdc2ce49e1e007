import Foundation
internal import GRDB

/// Opening a file as a database of runs, and nothing else.
struct DatabaseFile {
  let path: String
  /// How long to wait for other processes, in seconds.
  let timeout: Double

  private enum Owner: Equatable {
    case nobody
    case us(version: Int)
  }

  /// Makes the file and its directory where they are missing, and brings an older schema up to date.
  func openForWriting() throws -> DatabaseQueue {
    // SQLite takes an empty path for a database that is deleted when it is closed.
    if path.isEmpty { throw RunStoreError.cannotCreate(path: path, reason: "the path is empty") }
    if FileManager.default.fileExists(atPath: path) {
      try refuseDirectory()
      _ = try owner()
    } else {
      try makeDirectory()
    }
    return try translatingErrors {
      let queue = try DatabaseQueue(path: path, configuration: configuration(readOnly: false))
      try activateWAL(queue)
      try migrate(queue)
      return queue
    }
  }

  /// For reading only; needs no permission to write, and makes no tables in an empty file.
  ///
  /// An older schema is first brought up to date, so that readers know one schema. Where that, or SQLite's shared memory
  /// beside the file, cannot be written, a copy in memory is read.
  func openForReading() throws -> DatabaseQueue {
    guard FileManager.default.fileExists(atPath: path) else { throw RunStoreError.missing(path: path) }
    try refuseDirectory()
    guard FileManager.default.isReadableFile(atPath: path) else { throw RunStoreError.unreadable(path: path) }
    do {
      let owner = try owner()
      if owner == .nobody { return try copyInMemory() }
      if owner != .us(version: Schema.version) { _ = try openForWriting() }
      return try translatingErrors { try DatabaseQueue(path: path, configuration: configuration(readOnly: true)) }
    } catch RunStoreError.cannotCreate {
      return try copyInMemory()
    }
  }

  /// The database as it is now, brought up to date. No process is writing to it: one that does has made the files that
  /// a reader needs.
  private func copyInMemory() throws -> DatabaseQueue {
    let files = FileManager.default
    let directory = files.temporaryDirectory.appendingPathComponent("swift-peft-\(UUID().uuidString)")
    defer { try? files.removeItem(at: directory) }
    do {
      try files.createDirectory(at: directory, withIntermediateDirectories: true)
      for ending in ["", "-wal", "-journal"] where files.fileExists(atPath: path + ending) {
        let data = try Data(contentsOf: URL(fileURLWithPath: path + ending))
        try data.write(to: directory.appendingPathComponent("copy" + ending))
      }
    } catch {
      throw RunStoreError.failed(path: path, reason: "cannot be copied: \((error as NSError).localizedDescription)")
    }
    let copy = DatabaseFile(path: directory.appendingPathComponent("copy").path, timeout: timeout)
    return try translatingErrors {
      let memory = try DatabaseQueue(configuration: configuration(readOnly: false))
      try copy.openForWriting().backup(to: memory)
      try memory.writeWithoutTransaction { try $0.execute(sql: "PRAGMA query_only = TRUE") }
      return memory
    }
  }

  func translatingErrors<Value>(_ body: () throws -> Value) throws -> Value {
    do { return try body() } catch let error as DatabaseError {
      throw RunStoreError(error, path: path, timeout: timeout)
    }
  }

  private func configuration(readOnly: Bool) -> Configuration {
    var configuration = Configuration()
    configuration.readonly = readOnly
    configuration.busyMode = .timeout(timeout)
    configuration.label = "runs"
    return configuration
  }

  /// Whose the file is; throws where it isn't ours or empty. A read-only connection looks, so nothing is written but
  /// what the journal of a killed process undoes.
  ///
  /// The bytes are not read directly: closing a descriptor of its own would drop SQLite's locks of this process.
  private func owner() throws -> Owner {
    let size = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
    // SQLite takes a file of a few bytes for an empty database and would write over it; no real one is so short.
    if let size, (1..<512).contains(size) { throw RunStoreError.notADatabase(path: path) }
    let (id, version, tables) = try translatingErrors {
      do { return try marks(readOnly: true) } catch DatabaseError.SQLITE_READONLY_ROLLBACK {
        // A process was killed while it made the file a write-ahead one. SQLite undoes that, as it does for any program
        // that opens the file, but not through a read-only connection.
        return try marks(readOnly: false)
      }
    }
    if id == 0, version == 0, tables == 0 { return .nobody }
    guard id == Schema.applicationID else { throw RunStoreError.foreign(path: path) }
    guard version <= Schema.version else {
      throw RunStoreError.newer(path: path, version: version, known: Schema.version)
    }
    return .us(version: version)
  }

  private func marks(readOnly: Bool) throws -> (id: Int, version: Int, tables: Int) {
    try DatabaseQueue(path: path, configuration: configuration(readOnly: readOnly)).read { database in
      (
        try Int.fetchOne(database, sql: "PRAGMA application_id") ?? 0,
        try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0,
        try Int.fetchOne(database, sql: "SELECT COUNT(*) FROM sqlite_master WHERE tbl_name <> 'grdb_migrations'") ?? 0
      )
    }
  }

  /// SQLite doesn't wait for a lock when it changes the journal mode, so this does.
  private func activateWAL(_ queue: DatabaseQueue) throws {
    try waiting {
      let mode = try queue.writeWithoutTransaction { try String.fetchOne($0, sql: "PRAGMA journal_mode = WAL") }
      guard mode == "wal" else {
        throw RunStoreError.cannotCreate(path: path, reason: "the file system does not support write-ahead logging")
      }
    }
    try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = NORMAL") }
  }

  /// Two processes may find the same older or empty file: the one that comes second to a migration fails, finds that
  /// one done, and goes on with the next.
  private func migrate(_ queue: DatabaseQueue) throws {
    func version() throws -> Int {
      try queue.read { try Int.fetchOne($0, sql: "PRAGMA user_version") } ?? 0
    }
    try waiting {
      var before = try version()
      while before < Schema.version {
        do { try Schema.migrator.migrate(queue) } catch {
          if try version() == before { throw error }
        }
        before = try version()
      }
    }
  }

  /// Tries again for `timeout` seconds while SQLite reports the database as busy without having waited.
  private func waiting(_ body: () throws -> Void) throws {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(timeout)
    while true {
      do { return try body() } catch let error as DatabaseError
        where error.resultCode == .SQLITE_BUSY && clock.now < end
      {
        Thread.sleep(forTimeInterval: 0.01)
      }
    }
  }

  private func refuseDirectory() throws {
    var isDirectory: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue {
      throw RunStoreError.cannotCreate(path: path, reason: "is a directory")
    }
  }

  private func makeDirectory() throws {
    let directory = URL(fileURLWithPath: path).standardizedFileURL.deletingLastPathComponent()
    var missing: [URL] = [], place = directory
    while place.path != "/", !FileManager.default.fileExists(atPath: place.path) {
      missing.append(place)
      place = place.deletingLastPathComponent()
    }
    do {
      try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
      // Runs may lie there too: a new directory is on the disk once its name is.
      for made in missing { try? FileHandle(forReadingFrom: made.deletingLastPathComponent()).synchronize() }
    } catch {
      let reason = "its directory cannot be made (\((error as NSError).localizedDescription))"
      throw RunStoreError.cannotCreate(path: path, reason: reason)
    }
  }
}
