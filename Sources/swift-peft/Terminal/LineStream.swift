/// Cuts a stream of bytes into lines as it comes: only LF ends a line, one CR before it is dropped.
struct LineStream {
  /// Complete lines.
  struct Batch {
    let lines: [ArraySlice<UInt8>]
    /// 1-based number of the first.
    let firstNumber: Int
  }

  private var rest: [UInt8] = []
  private var count = 0

  /// The lines that `bytes` completes.
  mutating func add(_ bytes: [UInt8]) -> Batch {
    rest += bytes
    guard let last = bytes.lastIndex(of: UInt8(ascii: "\n")) else { return batch([]) }
    let end = rest.count - (bytes.count - last)
    let lines = rest[..<end].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    rest = Array(rest[(end + 1)...])
    return batch(lines.map { $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0 })
  }

  /// The line that nothing ends, if there is one.
  mutating func finish() -> Batch {
    defer { rest = [] }
    return batch(rest.isEmpty ? [] : [rest[...]])
  }

  private mutating func batch(_ lines: [ArraySlice<UInt8>]) -> Batch {
    defer { count += lines.count }
    return Batch(lines: lines, firstNumber: count + 1)
  }
}
