/// Splits a stream of bytes into lines as it arrives: a line ends with LF; one CR before it is dropped.
struct LineStream {
  /// Complete lines.
  struct Batch {
    let lines: [ArraySlice<UInt8>]
    /// 1-based number of the first line.
    let firstNumber: Int
  }

  private var rest: [UInt8] = []
  private var count = 0

  /// Takes more bytes and returns the lines they complete.
  mutating func add(_ bytes: [UInt8]) -> Batch {
    rest += bytes
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
