import Diagnostics
import Foundation

/// The reader of stdout is gone (`| head`): the program ends, without an error.
struct ClosedOutput: Error {}

/// stdout could not be written.
struct OutputFailure: UserFacingError {
  let code: Int32
  var description: String { "stdout: writing failed: \(String(cString: strerror(code)))" }
  var exitStatus: ExitStatus { .ioError }
}

/// The standard streams, without Swift's buffering and without `SIGPIPE`.
enum Console {
  /// Writes `text` to stdout, with a line feed if it lacks one. Throws `ClosedOutput` or `OutputFailure`.
  static func print(_ text: String) throws {
    try write(Array((text.hasSuffix("\n") ? text : text + "\n").utf8))
  }

  /// Writes `bytes` to stdout. Throws `ClosedOutput` or `OutputFailure`.
  static func write(_ bytes: [UInt8]) throws {
    let code = send(bytes, to: STDOUT_FILENO)
    if code == EPIPE { throw ClosedOutput() }
    if code != 0 { throw OutputFailure(code: code) }
  }

  /// Writes `text` to stderr, with a line feed if it lacks one; ignores errors.
  static func note(_ text: String) { draw(text.hasSuffix("\n") ? text : text + "\n") }

  /// Writes `text` to stderr unchanged; ignores errors.
  static func draw(_ text: String) { _ = send(Array(text.utf8), to: STDERR_FILENO) }

  /// All of stdin.
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
      if errno != EINTR { throw InputFailure(code: errno) }
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

/// stdin could not be read.
struct InputFailure: UserFacingError {
  let code: Int32
  var description: String { "stdin: reading failed: \(String(cString: strerror(code)))" }
  var exitStatus: ExitStatus { .ioError }
}
