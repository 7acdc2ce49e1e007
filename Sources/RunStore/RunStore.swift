import Foundation
internal import GRDB

/// The database of runs: what was trained, how, and with which results. Many processes may write to one file at once.
///
///     let store = try RunStore(path: "runs/swift-peft.sqlite")
///     let run = try store.beginRun(details)
///     try store.record(run: run, metrics: [MetricPoint(step: 10, epoch: 0.1, split: .train, name: "loss", value: 0.7)])
///     try store.finishRun(run, status: .completed)
public final class RunStore: Sendable {
  /// Default seconds to wait for other writers.
  public static let defaultTimeout = 30.0

  /// The file.
  public let path: String
  /// How the file is kept whole.
  public let journal: Journal
  private let timeout: Double
  private let queue: DatabaseQueue
  private let identity: FileIdentity?

  /// Opens `path` for writing; creates it and its directory if missing. A file that is not ours is refused before
  /// anything is written to it. Its journal is that for its file system, if no other is given.
  public convenience init(path: String, timeout: Double = defaultTimeout, journal: Journal? = nil) throws {
    let file = DatabaseFile(
      path: path, timeout: timeout, journal: journal ?? Journal(for: FileSystem(of: path)))
    self.init(file, try file.openForWriting())
    try markAbandoned()
  }

  /// Throws if the file's structure is damaged. Reads the whole file.
  public func checkIntegrity() throws {
    let findings = try read { try String.fetchAll($0, sql: "PRAGMA quick_check(1)") }
    if let finding = findings.first, finding != "ok" { throw RunStoreError.damaged(path: path, what: finding) }
  }

  /// Whether the path still leads to the opened file: SQLite keeps writing to a deleted one.
  public var isInPlace: Bool { FileIdentity(path: path) == identity }

  /// Opens `path` for reading only.
  public static func openExisting(path: String, timeout: Double = defaultTimeout) throws -> RunStore {
    let file = DatabaseFile(path: path, timeout: timeout, journal: Journal(for: FileSystem(of: path)))
    return RunStore(file, try file.openForReading())
  }

  private init(_ file: DatabaseFile, _ queue: DatabaseQueue) {
    path = file.path
    timeout = file.timeout
    journal = file.journal
    self.queue = queue
    identity = FileIdentity(path: path)
  }

  func read<Value>(_ body: (Database) throws -> Value) throws -> Value {
    try file.translatingErrors { try queue.read(body) }
  }

  /// One transaction.
  func write<Value>(_ body: (Database) throws -> Value) throws -> Value {
    try file.translatingErrors { try queue.write(body) }
  }

  private var file: DatabaseFile { DatabaseFile(path: path, timeout: timeout, journal: journal) }

  /// A note for the user where the database `path` lies, or will lie, on a network file system.
  public static func notice(_ path: String) -> String? {
    guard let name = FileSystem(of: path)?.networkName else { return nil }
    return "\(path): on a network file system (\(name)), so with a rollback journal instead of write-ahead logging"
  }

  /// The current time in the tables' format: ISO 8601, UTC, milliseconds.
  public static func now() -> String {
    Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
  }
}

/// Distinguishes a file from another of the same name.
private struct FileIdentity: Equatable {
  let device: UInt64
  let number: UInt64

  init?(path: String) {
    guard let attributes = try? FileManager.default.attributesOfItem(atPath: path),
      let device = attributes[.systemNumber] as? NSNumber, let number = attributes[.systemFileNumber] as? NSNumber
    else { return nil }
    (self.device, self.number) = (device.uint64Value, number.uint64Value)
  }
}
