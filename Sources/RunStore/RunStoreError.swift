import Diagnostics
internal import GRDB

/// What can go wrong with the database of runs.
public enum RunStoreError: UserFacingError, Equatable {
  /// Reading was asked for, and there is no such file.
  case missing(path: String)
  /// Reading was asked for and is not permitted.
  case unreadable(path: String)
  /// The file is something else than SQLite.
  case notADatabase(path: String)
  /// SQLite, but another program's; it was not touched.
  case foreign(path: String)
  /// Written by a newer version of this program; it was not touched.
  case newer(path: String, version: Int, known: Int)
  /// The file or its directory cannot be created or written.
  case cannotCreate(path: String, reason: String)
  /// Another process kept the database locked for longer than the time-out.
  case locked(path: String, seconds: Double)
  /// A row holds what no version of this program writes.
  case damaged(path: String, what: String)
  /// No run has this number.
  case noSuchRun(path: String, id: Int64)
  /// Anything else that SQLite reports.
  case failed(path: String, reason: String)

  /// One exact sentence.
  public var description: String {
    switch self {
    case .missing(let path): "\(path): no such database"
    case .unreadable(let path): "\(path): cannot be read: permission denied"
    case .notADatabase(let path): "\(path): is not an SQLite database; give another file for the runs"
    case .foreign(let path):
      "\(path): is another program's database and was left untouched; give another file for the runs"
    case .newer(let path, let version, let known):
      "\(path): was written by a newer swift-peft (schema \(version), this one knows up to \(known)); update swift-peft"
    case .cannotCreate(let path, let reason): "\(path): cannot be created or written: \(reason)"
    case .locked(let path, let seconds): "\(path): is locked by another process, waited \(seconds) s"
    case .damaged(let path, let what): "\(path): is damaged: \(what)"
    case .noSuchRun(let path, let id): "\(path): has no run \(id)"
    case .failed(let path, let reason): "\(path): \(reason)"
    }
  }

  /// 65 for a file that isn't ours, 66 for what is missing, 73 and 74 for output.
  public var exitStatus: ExitStatus {
    switch self {
    case .missing, .unreadable, .noSuchRun: .missingInput
    case .notADatabase, .foreign, .newer, .damaged: .badInput
    case .cannotCreate: .cannotCreate
    case .locked, .failed: .ioError
    }
  }
}

extension RunStoreError {
  /// SQLite's error in this module's words.
  init(_ error: DatabaseError, path: String, timeout: Double) {
    switch error.resultCode {
    case .SQLITE_NOTADB: self = .notADatabase(path: path)
    case .SQLITE_BUSY, .SQLITE_LOCKED: self = .locked(path: path, seconds: timeout)
    case .SQLITE_CORRUPT: self = .damaged(path: path, what: error.message ?? "malformed file")
    case .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH:
      self = .cannotCreate(path: path, reason: error.message ?? "no permission")
    default: self = .failed(path: path, reason: error.message ?? "SQLite error \(error.resultCode.rawValue)")
    }
  }
}
