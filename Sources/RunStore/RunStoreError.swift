import Diagnostics
internal import GRDB

/// What can go wrong with the database of runs.
public enum RunStoreError: UserFacingError, Equatable {
  /// There is no such file to read.
  case missing(path: String)
  /// The file may not be read.
  case unreadable(path: String)
  /// The file is not an SQLite database; it was not touched.
  case notADatabase(path: String)
  /// An SQLite database of another program; it was not touched.
  case foreign(path: String)
  /// Written by a newer version of this program; it was not touched.
  case newer(path: String, version: Int, known: Int)
  /// The file or its directory cannot be created or written.
  case cannotCreate(path: String, reason: String)
  /// Another process kept the database locked for longer than the timeout.
  case locked(path: String, seconds: Double)
  /// The file is malformed, or a row holds what no version of this program writes.
  case damaged(path: String, what: String)
  /// No run has this number.
  case noSuchRun(path: String, id: Int64)
  /// The disk is full or failed.
  case diskFailed(path: String, reason: String, statement: FailedStatement? = nil)
  /// Anything else that SQLite reports.
  case failed(path: String, reason: String, statement: FailedStatement? = nil)

  /// One exact sentence.
  public var description: String {
    switch self {
    case .missing(let path): "\(path): no such database"
    case .unreadable(let path): "\(path): cannot be read: permission denied"
    case .notADatabase(let path): "\(path): not an SQLite database; choose another file for the runs"
    case .foreign(let path): "\(path): belongs to another program; choose another file for the runs"
    case .newer(let path, let version, let known):
      "\(path): written by a newer swift-peft (schema \(version); this version supports up to \(known)); "
        + "update swift-peft"
    case .cannotCreate(let path, let reason): "\(path): cannot be created or written: \(reason)"
    case .locked(let path, let seconds): "\(path): locked by another process; gave up after \(seconds) s"
    case .damaged(let path, let what): "\(path): damaged: \(what)"
    case .noSuchRun(let path, let id): "\(path): no run \(id)"
    case .diskFailed(let path, let reason, _): "\(path): \(reason)"
    case .failed(let path, let reason, let statement):
      "\(path): \(reason)" + (statement.map { ", while executing `\($0.sql.clipped)`" } ?? "")
    }
  }

  /// 65 for a file that is not ours, 66 for missing input, 73 and 74 for output.
  public var exitStatus: ExitStatus {
    switch self {
    case .missing, .unreadable, .noSuchRun: .missingInput
    case .notADatabase, .foreign, .newer, .damaged: .badInput
    case .cannotCreate: .cannotCreate
    case .locked, .diskFailed, .failed: .ioError
    }
  }
}

/// The SQL statement that failed.
public struct FailedStatement: Sendable, Equatable {
  /// Its text, with a `?` for each argument.
  public let sql: String
  /// Its arguments, as text.
  public let arguments: String

  /// A statement and its arguments.
  public init(sql: String, arguments: String) { (self.sql, self.arguments) = (sql, arguments) }
}

extension RunStoreError {
  /// An error of GRDB in this module's words; nil for others.
  init?(_ error: any Error, path: String, timeout: Double) {
    switch error {
    case let error as DatabaseError: self.init(error, path: path, timeout: timeout)
    case let error as RowDecodingError: self = .damaged(path: path, what: Self.misfit(error))
    default: return nil
    }
  }

  private init(_ error: DatabaseError, path: String, timeout: Double) {
    let reason = error.message ?? "SQLite error \(error.resultCode.rawValue)"
    let statement = error.sql.map { FailedStatement(sql: $0, arguments: error.arguments?.description ?? "") }
    switch error.resultCode {
    case .SQLITE_NOTADB: self = .notADatabase(path: path)
    case .SQLITE_BUSY, .SQLITE_LOCKED: self = .locked(path: path, seconds: timeout)
    case .SQLITE_CORRUPT: self = .damaged(path: path, what: reason)
    case .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH:
      self = .cannotCreate(path: path, reason: reason)
    case .SQLITE_FULL, .SQLITE_IOERR: self = .diskFailed(path: path, reason: reason, statement: statement)
    default: self = .failed(path: path, reason: reason, statement: statement)
    }
  }

  /// `column r: could not decode Int from database value "many"`: the part of GRDB's text that comes before the row.
  private static func misfit(_ error: RowDecodingError) -> String {
    let text = "\(error)"
    guard let match = text.firstMatch(of: /^(.+?) - column: "(.+?)"/) else { return text.clipped }
    return "column \(match.2): \(match.1)".clipped
  }
}
