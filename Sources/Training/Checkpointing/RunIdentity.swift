import Checkpoints
import Foundation
import RunStore
import StrictJSON

/// `.run.json`: which row of the database is this output directory's, so that a resumed run continues it.
struct RunIdentity: Sendable, Equatable {
  /// The run's name in the database's table `processes`.
  var token: String
  /// When the run began.
  var startedAt: String

  static let fileName = ".run.json"

  /// A new run's.
  static func new() -> RunIdentity { RunIdentity(token: RunStore.newToken(), startedAt: RunStore.now()) }

  /// That of the run in the directory `output`; nil where there is none.
  static func read(_ output: String) throws -> RunIdentity? {
    let path = "\(output)/\(fileName)"
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let node = try JSONFile.read(path)
    return RunIdentity(token: try node.require("token", \.string), startedAt: try node.require("started_at", \.string))
  }

  func write(_ output: String) throws {
    let text = JSONWriter.text(["token": .string(token), "started_at": .string(startedAt)], pretty: true)
    try AtomicFile.write(text, to: "\(output)/\(Self.fileName)")
  }
}
