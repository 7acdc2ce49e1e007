import Foundation
import StrictJSON
import Testing

/// What a command left behind.
struct Outcome {
  let status: Int32
  let out: String
  let err: String

  /// stdout as JSON.
  func json() throws -> JSONNode { try JSONParser.parse(out) }

  /// The lines of stderr.
  var errorLines: [Substring] { err.split(separator: "\n") }
}

/// An empty directory in which the built program is run; it goes with the last reference.
final class Sandbox {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "swift-peft-cli-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  // MARK: - Files

  /// Where `name` is in the sandbox.
  func place(_ name: String) -> String { "\(path)/\(name)" }

  func write(_ name: String, _ text: String) throws { try write(name, Data(text.utf8)) }

  func write(_ name: String, _ data: Data) throws {
    let url = URL(fileURLWithPath: place(name))
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try data.write(to: url)
  }

  func read(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: place(name))) }
  func text(_ name: String) throws -> String { String(decoding: try read(name), as: UTF8.self) }
  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: place(name)) }

  /// Names of everything in the sandbox, files and directories.
  func listing() throws -> [String] { try FileManager.default.subpathsOfDirectory(atPath: path).sorted() }

  // MARK: - Running

  /// Runs `swift-peft` here, to its end.
  func run(_ arguments: String..., input: String = "") throws -> Outcome {
    let command = try start(arguments, input: input)
    return try command.finish()
  }

  /// Runs a shell's command line here, with the program as `$TOOL`.
  func shell(_ line: String) throws -> Outcome {
    let command = try Command(
      executable: "/bin/bash", ["-o", "pipefail", "-c", line], in: path, input: "",
      environment: ["TOOL": try Tool.path()])
    return try command.finish()
  }

  /// Starts `swift-peft` here.
  func start(_ arguments: [String], input: String = "", environment: [String: String] = [:]) throws -> Command {
    try Command(executable: Tool.path(), arguments, in: path, input: input, environment: environment)
  }

  /// The processes that were started here.
  func processes() throws -> [pid_t] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { pid_t($0) }.filter {
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\($0)/cwd")) == path
    }
  }
}

/// A running command. Its streams are files, so that no pipe can fill up.
final class Command {
  private let process = Process()
  private let streams: String

  init(
    executable: String, _ arguments: [String], in directory: String, input: String, environment: [String: String] = [:]
  ) throws {
    streams = NSTemporaryDirectory() + "swift-peft-streams-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: streams, withIntermediateDirectories: true)
    try Data(input.utf8).write(to: URL(fileURLWithPath: streams + "/in"))
    for name in ["out", "err"] { try Data().write(to: URL(fileURLWithPath: "\(streams)/\(name)")) }
    process.executableURL = URL(fileURLWithPath: executable)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: directory)
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = FileHandle(forReadingAtPath: streams + "/in")
    process.standardOutput = FileHandle(forWritingAtPath: streams + "/out")
    process.standardError = FileHandle(forWritingAtPath: streams + "/err")
    try process.run()
  }

  deinit { try? FileManager.default.removeItem(atPath: streams) }

  /// Whether it has not ended yet.
  var isAlive: Bool { process.isRunning }

  /// What stderr says so far.
  var errorText: String { (try? String(contentsOfFile: streams + "/err", encoding: .utf8)) ?? "" }

  /// Waits, at most five minutes, until stderr has `text`.
  func waitForError(_ text: String) {
    wait(seconds: 300) { !process.isRunning || errorText.contains(text) }
  }

  func send(_ number: Int32) { kill(process.processIdentifier, number) }

  /// The process, and its first thread.
  var id: Int32 { process.processIdentifier }

  /// The threads that do not block a signal.
  func threads(taking number: Int32) throws -> [Int32] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(id)/task").compactMap(Int32.init).filter { thread in
      let status = try String(contentsOfFile: "/proc/\(id)/task/\(thread)/status", encoding: .utf8)
      let line = status.split(separator: "\n").first { $0.hasPrefix("SigBlk:") }
      let mask = line.flatMap { UInt64($0.dropFirst(7).trimmingCharacters(in: .whitespaces), radix: 16) } ?? 0
      return mask >> UInt64(number - 1) & 1 == 0
    }
  }

  /// Whether it has not ended yet.
  var isRunning: Bool { process.isRunning }

  /// Its number.
  var pid: Int32 { process.processIdentifier }

  /// Kills it, and says whether that was what ended it.
  func killHard() -> Bool {
    send(SIGKILL)
    process.waitUntilExit()
    return process.terminationReason == .uncaughtSignal
  }

  /// Waits for its end, at most ten minutes: under a sanitizer, on a busy machine, a run of a second may take some.
  func finish() throws -> Outcome {
    let (outcome, signal) = try finishOrDie()
    #expect(signal == nil, "ended by signal \(outcome.status)")
    return outcome
  }

  /// Waits likewise for the end of a command that a signal may end; says which.
  func finishOrDie() throws -> (outcome: Outcome, signal: Int32?) {
    wait(seconds: 600) { !process.isRunning }
    if process.isRunning {
      Issue.record("still running after ten minutes")
      send(SIGKILL)
    }
    process.waitUntilExit()
    let outcome = Outcome(
      status: process.terminationStatus, out: try String(contentsOfFile: streams + "/out", encoding: .utf8),
      err: try String(contentsOfFile: streams + "/err", encoding: .utf8))
    return (outcome, process.terminationReason == .exit ? nil : process.terminationStatus)
  }
}

/// The built program.
enum Tool {
  struct NotBuilt: Error {}

  /// Beside the test bundle, wherever the scratch path is: in a folder of, or above, this process's executable.
  static func path() throws -> String {
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")).map { [$0] } ?? []
    for start in own + [Bundle.main.bundlePath] + CommandLine.arguments {
      var url = URL(fileURLWithPath: start).standardizedFileURL
      for _ in 0..<6 where url.path != "/" {
        url = url.deletingLastPathComponent()
        let candidate = url.appendingPathComponent("swift-peft").path
        var isDirectory: ObjCBool = false
        if FileManager.default.fileExists(atPath: candidate, isDirectory: &isDirectory), !isDirectory.boolValue,
          FileManager.default.isExecutableFile(atPath: candidate)
        {
          return candidate
        }
      }
    }
    throw NotBuilt()
  }
}

/// The repository.
enum Repository {
  static let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
}

/// Waits until `condition` holds, at most so long.
func wait(seconds: Double, until condition: () throws -> Bool) rethrows {
  let clock = ContinuousClock(), end = clock.now + .seconds(seconds)
  while try !condition(), clock.now < end { Thread.sleep(forTimeInterval: 0.01) }
}
