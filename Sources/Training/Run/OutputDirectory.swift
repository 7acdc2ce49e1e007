import Adapters
import Checkpoints
import Configuration
import Diagnostics
import Foundation
import StrictJSON

/// The directory that a run writes.
public struct OutputDirectory: Sendable {
  /// Where it is.
  public let path: String

  /// The names that make a run.
  private static let runFiles = [
    AdapterFile.tensorsName, AdapterFile.configName, "run_config.json", scores, CheckpointFolder.name,
    RunIdentity.fileName,
  ]
  /// Scores alone make no run: `eval` of a base model writes them too.
  private static let scores = "eval_results.json"

  /// The directory at `path`; nothing is touched yet.
  public init(_ path: String) { self.path = path }

  /// Throws where a run is already here and may not be replaced, where another process trains, and where no directory
  /// can be made.
  public func refuseIfTaken(overwrite: Bool) throws {
    try refuseFileInTheWay()
    try OutputLock.refuseIfHeld(path)
    if !overwrite, let file = existing.first(where: { $0 != Self.scores }) {
      throw RunError.outputTaken(directory: path, file: file)
    }
  }

  /// Creates the directory, and those it lies in, if missing.
  public func create() throws {
    do { try DurableDirectory.create(path) } catch {
      throw RunError.outputUnusable(directory: path, reason: error.description)
    }
  }

  /// The directory and those that it lies in, from within.
  private var ancestors: [String] {
    var ancestors: [String] = [], url = URL(fileURLWithPath: path).standardizedFileURL
    while url.path != "/" {
      ancestors.append(url.path)
      url = url.deletingLastPathComponent()
    }
    return ancestors
  }

  /// Removes temporary files of processes that are no more.
  func removeLeftovers() { AtomicDirectory.removeLeftovers(in: path) }

  /// Whether files of a run are here.
  var holdsRun: Bool { existing.contains { $0 != Self.scores } }

  /// Whether the files of a finished or stopped run are here.
  var holdsAdapter: Bool { existing.contains(AdapterFile.configName) && existing.contains(AdapterFile.tensorsName) }

  /// Deletes an earlier run's files and nothing else.
  func deleteRun() throws { try delete(existing) }

  /// Deletes the adapter, first the file without which it is none.
  func deleteAdapter() throws {
    let files = existing
    try delete([AdapterFile.configName, AdapterFile.tensorsName].filter(files.contains))
  }

  private func delete(_ files: [String]) throws {
    do {
      for file in files { try FileManager.default.removeItem(atPath: "\(path)/\(file)") }
    } catch {
      throw RunError.outputUnusable(directory: path, reason: Self.reason(error))
    }
  }

  /// The nearest thing on the way to `path` that exists must be a directory that this process may write to.
  func refuseFileInTheWay() throws {
    for place in ancestors {
      var isDirectory: ObjCBool = false
      guard FileManager.default.fileExists(atPath: place, isDirectory: &isDirectory) else { continue }
      guard isDirectory.boolValue else {
        throw RunError.outputUnusable(directory: path, reason: "\(place) is a file")
      }
      guard FileManager.default.isWritableFile(atPath: place) else {
        throw RunError.outputUnusable(directory: path, reason: "no permission to write to \(place)")
      }
      return
    }
  }

  /// Writes `run_config.json`: the config as resolved.
  public func write(config: RunConfig) throws { try AtomicFile.write(config.jsonText(), to: "\(path)/run_config.json") }

  /// Writes the adapter's two files.
  public func write(adapter: StoredAdapter) throws { try AdapterFile.write(adapter, to: path) }

  /// Writes `eval_results.json` for the scores of one or more splits; the first one is the file's main object, others
  /// stand in it under their names.
  public func write(results: [EvaluationReport]) throws {
    guard let first = results.first else { return }
    var object = first.json
    for other in results.dropFirst() { object[other.split.rawValue] = JSONNode(.object(other.json)) }
    try AtomicFile.write(JSONWriter.text(.object(object), pretty: true), to: "\(path)/eval_results.json")
  }

  private var existing: [String] {
    Self.runFiles.filter { FileManager.default.fileExists(atPath: "\(path)/\($0)") }
  }

  private static func reason(_ error: any Error) -> String {
    let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
    if let underlying, underlying.domain == NSPOSIXErrorDomain {
      return String(cString: strerror(Int32(underlying.code)))
    }
    return error.localizedDescription
  }
}

extension EvaluationReport {
  /// `{"split": …, "step": …, "<metric>": value, …, "loss": …, "examples": …}`
  public var json: JSONObject {
    var object = JSONObject()
    object["split"] = JSONNode(.string(split.rawValue))
    object["step"] = JSONNode(.integer(step))
    for metric in metrics { object[metric.name] = JSONNode(.number(metric.value)) }
    object["examples"] = JSONNode(.integer(examples))
    return object
  }
}
