import Adapters
import Checkpoints
import Configuration
import Diagnostics
import Foundation
import Models
import RunStore
import StrictJSON

/// The directory that a run writes.
public struct OutputDirectory: Sendable {
  /// Where it is.
  public let path: String

  /// The files of a run.
  private static let runFiles = [
    AdapterFile.tensorsName, AdapterFile.configName, "run_config.json", scores, CheckpointFolder.name,
    RunIdentity.fileName, Int8Factors.fileName,
  ]
  /// Scores alone make no run: `eval` of a base model writes them too.
  private static let scores = "eval_results.json"

  /// The directory at `path`; nothing is touched yet.
  public init(_ path: String) { self.path = path }

  /// Throws if a run is already here and may not be replaced, if another process is training here, or if the directory
  /// cannot be created.
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

  /// Who is training into the directory: "process 4711 on host, since …"; nil if nobody is.
  public var holder: String? { OutputLock.holder(of: path) }

  /// The token of the run's row in a database; nil if there is no run here. Throws if the file that keeps it is damaged.
  public func runToken() throws -> String? { try RunIdentity.read(path)?.token }

  func removeLeftovers() { AtomicDirectory.removeLeftovers(in: path) }

  /// Whether files of a run are here.
  var holdsRun: Bool { existing.contains { $0 != Self.scores } }

  /// Whether the files of a finished or stopped run are here.
  var holdsAdapter: Bool { existing.contains(AdapterFile.configName) && existing.contains(AdapterFile.tensorsName) }

  func deleteRun() throws { try delete(existing) }

  /// Deletes the adapter, beginning with the file that makes it one.
  func deleteAdapter() throws {
    let files = existing
    try delete([AdapterFile.configName, AdapterFile.tensorsName].filter(files.contains))
  }

  private func delete(_ files: [String]) throws {
    do {
      for file in files { try FileManager.default.removeItem(atPath: "\(path)/\(file)") }
    } catch {
      let reason = (error as NSError).posixCode.map { String(cString: strerror(Int32($0))) }
      throw RunError.outputUnusable(directory: path, reason: reason ?? error.localizedDescription)
    }
  }

  /// Throws unless `path`, or the first of its parents that exists, is a directory that this process may write to.
  func refuseFileInTheWay() throws {
    var url = URL(fileURLWithPath: path).standardizedFileURL
    while url.path != "/", !FileManager.default.fileExists(atPath: url.path) { url = url.deletingLastPathComponent() }
    if url.path == "/" { return }
    guard url.path.isDirectory else {
      throw RunError.outputUnusable(directory: path, reason: "\(url.path) is a file")
    }
    guard FileManager.default.isWritableFile(atPath: url.path) else {
      throw RunError.outputUnusable(directory: path, reason: "no permission to write to \(url.path)")
    }
  }

  /// Writes `run_config.json`: the config as resolved.
  public func write(config: RunConfig) throws { try AtomicFile.write(config.jsonText(), to: "\(path)/run_config.json") }

  /// Writes the adapter's two files.
  public func write(adapter: StoredAdapter) throws { try AdapterFile.write(adapter, to: path) }

  /// Writes `eval_results.json`, unless there are no scores. The first split's scores are its main object, which contains
  /// the others under their names.
  public func write(results: [EvaluationReport]) throws {
    guard let first = results.first else { return }
    var object = first.json
    for other in results.dropFirst() { object[other.split.rawValue] = JSONNode(.object(other.json)) }
    try AtomicFile.write(JSONWriter.text(.object(object), pretty: true), to: "\(path)/eval_results.json")
  }

  private var existing: [String] {
    Self.runFiles.filter { FileManager.default.fileExists(atPath: "\(path)/\($0)") }
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

/// Keeps other processes from training into an output directory, as long as this object and its process live.
///
/// The system's lock (`flock`) is released even if the process is killed. The file names the holder and is deleted when the
/// lock is released.
final class OutputLock: Sendable {
  static let fileName = ".lock"

  private let descriptor: Int32
  private let path: String

  /// Locks `directory`, which exists. Throws `RunError.outputLocked` with who holds it.
  init(_ directory: String) throws {
    path = "\(directory)/\(Self.fileName)"
    descriptor = try Self.lock(path, directory: directory)
    let holder = ProcessIdentity.current
    let text = JSONWriter.text(
      ["pid": .integer(holder.pid), "host": .string(holder.host), "since": .string(RunStore.now())], pretty: false)
    ftruncate(descriptor, 0)
    _ = Array(text.utf8).withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
  }

  deinit {
    // First the name, then the lock: another process that opened the file sees that it no longer has that name.
    unlink(path)
    close(descriptor)
  }

  /// Throws if another process is training into `directory`; leaves no trace.
  static func refuseIfHeld(_ directory: String) throws {
    if let holder = holder(of: directory) { throw RunError.outputLocked(directory: directory, holder: holder) }
  }

  /// The process that is training into `directory`; nil if none is.
  static func holder(of directory: String) -> String? {
    let path = "\(directory)/\(fileName)"
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    return flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK ? holder(path) : nil
  }

  /// Another process that only looks holds the lock for an instant, so this tries for a while.
  private static func lock(_ path: String, directory: String) throws -> Int32 {
    for attempt in 0... {
      // The file is emptied: a link in a directory that came from elsewhere must not lead to another one.
      let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o666)
      guard descriptor >= 0 else { throw unusable(directory, errno) }
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 {
        var opened = stat(), named = stat()
        if fstat(descriptor, &opened) == 0, stat(path, &named) == 0, opened.st_ino == named.st_ino { return descriptor }
      } else if errno != EWOULDBLOCK {
        let code = errno
        close(descriptor)
        throw unusable(directory, code)
      } else if attempt >= 20 {
        close(descriptor)
        throw RunError.outputLocked(directory: directory, holder: holder(path))
      }
      close(descriptor)
      usleep(10_000)
    }
    throw unusable(directory, EDEADLK)
  }

  private static func unusable(_ directory: String, _ code: Int32) -> RunError {
    .outputUnusable(directory: directory, reason: String(cString: strerror(code)))
  }

  /// "process 4711 on host since …", as far as the file tells.
  private static func holder(_ path: String) -> String {
    guard let bytes = try? InputFile.read(path, limit: 10_000), let node = try? JSONParser.parse(bytes, file: path),
      let pid = node["pid"]?.integer, let host = node["host"]?.string, let since = node["since"]?.string
    else { return "another process" }
    return "process \(pid) on \(host), since \(since)"
  }
}

/// `.run.json`: the output directory's row in the database, which a resumed run continues.
struct RunIdentity: Sendable, Equatable {
  static let fileName = ".run.json"

  /// The run's name in the database's table `processes`.
  var token = RunStore.newToken()
  var startedAt = RunStore.now()

  /// The identity of the run in the directory `output`; nil if there is none.
  static func read(_ output: String) throws -> RunIdentity? {
    let path = "\(output)/\(fileName)"
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let field = try JSONField(contentsOf: path)
    return RunIdentity(token: try field.member("token").string(), startedAt: try field.member("started_at").string())
  }

  func write(_ output: String) throws {
    let text = JSONWriter.text(["token": .string(token), "started_at": .string(startedAt)], pretty: true)
    try AtomicFile.write(text, to: "\(output)/\(Self.fileName)")
  }
}
