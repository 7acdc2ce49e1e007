import Foundation

/// METEOR 1.5 (Denkowski and Lavie 2014), by its own program: it needs Java and 60 MB of paraphrases, and is run as
/// coco-caption and so the E2E scripts run it.
///
/// The program reads `SCORE ||| reference ||| … ||| candidate` line by line and answers with counts; `EVAL ||| counts ||| …`
/// gives the score of every example and then that of all together.
public struct Meteor: Sendable {
  /// The jar.
  public let jar: String
  private let java: String

  /// Why METEOR cannot be had.
  public struct Unavailable: Error, Equatable, CustomStringConvertible {
    /// In words, to go after "METEOR is left out: ".
    public let description: String
  }

  /// The program that `METEOR_JAR` names (meteor-1.5.jar, with its `data` beside it), and the Java on the `PATH`.
  public init(environment: [String: String] = ProcessInfo.processInfo.environment) throws(Unavailable) {
    let files = FileManager.default
    guard let jar = environment["METEOR_JAR"], !jar.isEmpty else {
      throw Unavailable(description: "METEOR_JAR does not name meteor-1.5.jar (PyPI's pycocoevalcap holds one)")
    }
    guard files.isReadableFile(atPath: jar) else { throw Unavailable(description: "\(jar): no such file (METEOR_JAR)") }
    let path = (environment["PATH"] ?? "").split(separator: ":").map { "\($0)/java" }
    guard let java = path.first(where: files.isExecutableFile(atPath:)) else {
      throw Unavailable(description: "it needs Java, and there is none on the PATH")
    }
    self.jar = URL(fileURLWithPath: jar).path
    self.java = java
  }

  /// The score of `examples` together, 0 … 1. Their texts are cut into words as coco-caption cuts them.
  public func score(_ examples: [GenerationExample]) throws(Unavailable) -> Double {
    let examples = examples.filter { !$0.references.isEmpty }
    guard !examples.isEmpty else { return 0 }
    let program = try Conversation(
      java, ["-jar", "-Xmx2G", jar, "-", "-", "-stdio", "-l", "en", "-norm"],
      directory: URL(fileURLWithPath: jar).deletingLastPathComponent())
    var counts: [String] = []
    for example in examples {
      let texts = (example.references + [example.candidate]).map { captionWords($0).joined(separator: " ") }
      try program.say((["SCORE"] + texts).joined(separator: " ||| "))
      let answer = try program.line()
      for count in answer.split(separator: " ", omittingEmptySubsequences: false) { _ = try number(count, in: answer) }
      counts.append(answer)
    }
    try program.say((["EVAL"] + counts).joined(separator: " ||| "))
    var score = 0.0
    for _ in 0...examples.count {
      let answer = try program.line()
      score = try number(answer[...], in: answer)
    }
    return score
  }

  /// A program that is no METEOR is found out by its first answer: it may never give another.
  private func number(_ text: Substring, in answer: String) throws(Unavailable) -> Double {
    guard let number = Double(text), number.isFinite else {
      throw Unavailable(description: "\(jar) answers \"\(answer.prefix(80))\", no number")
    }
    return number
  }
}

/// A program that is asked and answers line by line.
private final class Conversation {
  private let process = Process()
  private let output = Pipe()
  private let socket: Int32
  private var unread: [UInt8] = []

  init(_ program: String, _ arguments: [String], directory: URL) throws(Meteor.Unavailable) {
    // Unlike a pipe, a socket can be written to without a signal when its reader is gone.
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
      throw Meteor.Unavailable(description: "no connection to \(program): \(String(cString: strerror(errno)))")
    }
    socket = ends[0]
    let input = FileHandle(fileDescriptor: ends[1], closeOnDealloc: true)
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.currentDirectoryURL = directory
    process.standardInput = input
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    do { try process.run() } catch {
      throw Meteor.Unavailable(description: "\(program): \(error.localizedDescription)")
    }
    try? input.close()
  }

  deinit {
    close(socket)
    if process.isRunning {
      process.terminate()
      process.waitUntilExit()
    }
  }

  func say(_ text: String) throws(Meteor.Unavailable) {
    var rest = Array((text + "\n").utf8)[...]
    while !rest.isEmpty {
      let sent = rest.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      if sent < 0, errno == EINTR { continue }
      guard sent > 0 else { throw Meteor.Unavailable(description: "its program ended early") }
      rest = rest.dropFirst(sent)
    }
  }

  func line() throws(Meteor.Unavailable) -> String {
    while true {
      if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
        defer { unread.removeSubrange(...end) }
        return String(decoding: unread[..<end], as: UTF8.self).trimmingCharacters(in: .whitespaces)
      }
      let more = output.fileHandleForReading.availableData
      guard !more.isEmpty else { throw Meteor.Unavailable(description: "its program ended early") }
      unread += more
    }
  }
}
