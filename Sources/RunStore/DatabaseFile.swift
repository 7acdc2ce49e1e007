import Diagnostics
import Foundation
internal import GRDB

/// Opens a file as a database of runs.
struct DatabaseFile {
  let path: String
  /// Seconds to wait for other processes.
  let timeout: Double
  /// How it is kept whole by those who write to it.
  let journal: Journal

  private enum Owner: Equatable {
    case nobody
    case us(version: Int)
  }

  /// Creates the file and its directory if they are missing, and migrates an older schema.
  func openForWriting() throws -> DatabaseQueue {
    // For SQLite an empty path means a temporary database, deleted when closed.
    if path.isEmpty { throw RunStoreError.cannotCreate(path: path, reason: "the path is empty") }
    if FileManager.default.fileExists(atPath: path) {
      try refuseDirectory()
      _ = try owner()
    } else {
      try makeDirectory()
    }
    return try translatingErrors {
      let queue = try DatabaseQueue(path: path, configuration: configuration(readOnly: false))
      try set(journal, queue)
      try migrate(queue)
      return queue
    }
  }

  /// For reading only; needs no write permission, and creates no tables in an empty file.
  ///
  /// An older schema is migrated first, so that readers know one schema. If the file, or SQLite's shared memory beside
  /// it, cannot be written, a copy in memory is read.
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

  /// The database as it is now, migrated. No process is writing to it: a writer would have created the files that a
  /// reader needs.
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
      throw RunStoreError.diskFailed(
        path: path, reason: "cannot be copied: \((error as NSError).localizedDescription)")
    }
    let copy = DatabaseFile(path: directory.appendingPathComponent("copy").path, timeout: timeout, journal: .rollback)
    return try translatingErrors {
      let memory = try DatabaseQueue(configuration: configuration(readOnly: false))
      try copy.openForWriting().backup(to: memory)
      try memory.writeWithoutTransaction { try $0.execute(sql: "PRAGMA query_only = TRUE") }
      return memory
    }
  }

  func translatingErrors<Value>(_ body: () throws -> Value) throws -> Value {
    do { return try body() } catch { throw RunStoreError(error, path: path, timeout: timeout) ?? error }
  }

  private func configuration(readOnly: Bool) -> Configuration {
    var configuration = Configuration()
    configuration.readonly = readOnly
    configuration.busyMode = .timeout(timeout)
    configuration.label = "runs"
    return configuration
  }

  /// The owner of the file; throws if it is neither ours nor empty. The connection is read-only: nothing is written,
  /// except that the journal of a killed process is rolled back.
  ///
  /// The bytes are not read directly: closing another descriptor would drop this process's SQLite locks.
  private func owner() throws -> Owner {
    let size = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
    // SQLite treats a file of a few bytes as an empty database and would overwrite it; no real one is that short.
    if let size, (1..<512).contains(size) { throw RunStoreError.notADatabase(path: path) }
    let (id, version, tables) = try translatingErrors {
      do { return try marks(readOnly: true) } catch DatabaseError.SQLITE_READONLY_ROLLBACK {
        // A process was killed while it switched the file to write-ahead logging. SQLite rolls that back when a program
        // opens the file, but not through a read-only connection.
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

  /// SQLite does not wait for locks when it changes the journal mode, so this does.
  private func set(_ journal: Journal, _ queue: DatabaseQueue) throws {
    try waiting {
      let mode = try queue.writeWithoutTransaction {
        try String.fetchOne($0, sql: "PRAGMA journal_mode = \(journal.rawValue)")
      }
      guard mode == journal.rawValue else {
        throw RunStoreError.cannotCreate(path: path, reason: "the file system does not support write-ahead logging")
      }
    }
    // A power failure may then take the last rows, but leaves the file whole; with a rollback journal it would not.
    guard journal == .wal else { return }
    try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = NORMAL") }
  }

  /// Two processes may find the same older or empty file: the second one's migration fails; it sees that the migration
  /// is done and continues with the next.
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

  /// Retries for `timeout` seconds while SQLite reports the database as busy without waiting itself.
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
    if path.isDirectory { throw RunStoreError.cannotCreate(path: path, reason: "is a directory") }
  }

  private func makeDirectory() throws {
    let directory = URL(fileURLWithPath: path).standardizedFileURL.deletingLastPathComponent().path
    do { try DurableDirectory.create(directory) } catch {
      throw RunStoreError.cannotCreate(path: path, reason: "cannot create its directory: \(error)")
    }
  }
}
