import Diagnostics

/// The lines of a UTF-8 text, where only LF ends a line.
///
/// One CR before the LF (or before the end of the text) is dropped, and so is a byte order mark at the start.
/// U+2028, U+0085, VT, FF and every other CR are characters like any other. Works on bytes: in Swift `"\r\n"` is one
/// `Character`, so `String` can't be split at its LF.
public struct TextLines: Sendable {
  /// Names the text in errors.
  public let file: String
  /// The lines as valid UTF-8 without their ends; nothing follows the last LF. Line n of the file is `lines[n - 1]`.
  public let lines: [ArraySlice<UInt8>]

  /// Splits `bytes`. Throws `TaskError.invalidUTF8` for every line that isn't UTF-8.
  public init(bytes: [UInt8], file: String) throws {
    self.file = file
    var rest = bytes[...]
    if rest.starts(with: [0xEF, 0xBB, 0xBF]) { rest = rest.dropFirst(3) }
    var found: [ArraySlice<UInt8>] = []
    var problems = FileProblems(file: file)
    while !rest.isEmpty {
      let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
      var line = rest[..<end]
      if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
      found.append(line)
      if !isUTF8(line) { problems.add(.invalidUTF8(file: file, line: found.count)) }
      rest = end < rest.endIndex ? rest[(end + 1)...] : []
    }
    try problems.throwIfAny()
    lines = found
  }

  /// Reads the file at `path`. Throws `TaskError.unreadable` where that fails.
  public init(path: String) throws {
    try self.init(bytes: readFile(path), file: path)
  }
}

/// The bytes of the file or pipe at `path`.
func readFile(_ path: String) throws -> [UInt8] {
  do {
    return try InputFile.read(path, limit: InputFile.dataLimit, allowsPipe: true)
  } catch {
    throw TaskError.unreadable(file: path, reason: error.description)
  }
}

private func isUTF8(_ bytes: ArraySlice<UInt8>) -> Bool {
  bytes.allSatisfy { $0 < 0x80 } || String(validating: bytes, as: UTF8.self) != nil
}
