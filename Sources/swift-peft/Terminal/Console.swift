import Diagnostics
import Foundation

/// The reader of stdout is gone (`| head`): the program ends, without an error.
struct ClosedOutput: Error {}

/// A standard stream failed.
struct StreamFailure: UserFacingError, Equatable {
  /// `stdin: reading` or `stdout: writing`.
  let what: String
  let code: Int32

  var description: String { "\(what) failed: \(String(cString: strerror(code)))" }
  var exitStatus: ExitStatus { .ioError }
}

/// The standard streams, without Swift's buffering and without `SIGPIPE`.
enum Console {
  /// Writes `text` to stdout, with a line feed if it lacks one. Throws `ClosedOutput` or `StreamFailure`.
  static func print(_ text: String) throws {
    try write(Array((text.hasSuffix("\n") ? text : text + "\n").utf8))
  }

  /// Writes `bytes` to stdout. Throws `ClosedOutput` or `StreamFailure`.
  static func write(_ bytes: [UInt8]) throws {
    let code = send(bytes, to: STDOUT_FILENO)
    if code == EPIPE { throw ClosedOutput() }
    if code != 0 { throw StreamFailure(what: "stdout: writing", code: code) }
  }

  /// Writes `text` to stderr, with a line feed if it lacks one; ignores errors.
  static func note(_ text: String) { draw(text.hasSuffix("\n") ? text : text + "\n") }

  /// Writes `text` to stderr unchanged; ignores errors.
  static func draw(_ text: String) { _ = send(Array(text.utf8), to: STDERR_FILENO) }

  static func readAll() throws -> [UInt8] {
    var bytes: [UInt8] = []
    while let piece = try read() { bytes += piece }
    return bytes
  }

  /// The next bytes of stdin, or nil at its end.
  static func read(atMost count: Int = 1 << 18) throws -> [UInt8]? {
    while true {
      var length = 0
      let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        length = Foundation.read(STDIN_FILENO, buffer.baseAddress, count)
        initialized = max(0, length)
      }
      if length > 0 { return bytes }
      if length == 0 { return nil }
      if errno != EINTR { throw StreamFailure(what: "stdin: reading", code: errno) }
    }
  }

  /// Returns 0 or the system's error number.
  private static func send(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
    bytes.withUnsafeBytes { buffer in
      var done = 0
      while done < buffer.count {
        let written = Foundation.write(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done)
        if written < 0, errno == EINTR { continue }
        if written <= 0 { return written < 0 ? errno : EIO }
        done += written
      }
      return 0
    }
  }
}

/// Splits a stream of bytes into lines as it arrives: a line ends with LF; one CR before it is dropped, and so is a byte
/// order mark at the start.
struct LineStream {
  struct Batch {
    let lines: [ArraySlice<UInt8>]
    /// 1-based number of the first line.
    let firstNumber: Int
  }

  private var rest: [UInt8] = []
  private var count = 0
  private var isAtStart = true

  private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

  /// Takes more bytes and returns the lines they complete.
  mutating func add(_ bytes: [UInt8]) -> Batch {
    rest += bytes
    if isAtStart {
      // A pipe may cut even the mark.
      if rest.count < 3, Self.byteOrderMark.starts(with: rest) { return batch([]) }
      if rest.starts(with: Self.byteOrderMark) { rest.removeFirst(3) }
      isAtStart = false
    }
    guard let last = bytes.lastIndex(of: UInt8(ascii: "\n")) else { return batch([]) }
    let end = rest.count - (bytes.count - last)
    let lines = rest[..<end].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    rest = Array(rest[(end + 1)...])
    return batch(lines.map { $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0 })
  }

  /// Returns the last line if it has no line end.
  mutating func finish() -> Batch {
    defer { rest = [] }
    return batch(rest.isEmpty ? [] : [rest[...]])
  }

  private mutating func batch(_ lines: [ArraySlice<UInt8>]) -> Batch {
    defer { count += lines.count }
    return Batch(lines: lines, firstNumber: count + 1)
  }
}
