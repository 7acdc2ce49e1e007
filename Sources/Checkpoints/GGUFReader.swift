/// Walks through the bytes of a GGUF file, never beyond its end.
struct GGUFReader {
  let bytes: UnsafeRawBufferPointer
  private(set) var position = 0

  init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// Passes over `count` bytes and returns where they began.
  mutating func skip(_ count: UInt64, of part: @autoclosure () -> String) throws(GGUFError.Problem) -> Int {
    guard count <= UInt64(bytes.count - position) else { throw .cutOff(part: part(), offset: position) }
    defer { position += Int(count) }
    return position
  }

  mutating func number<Number: FixedWidthInteger>(
    _: Number.Type, of part: @autoclosure () -> String
  ) throws(GGUFError.Problem) -> Number {
    let start = try skip(UInt64(MemoryLayout<Number>.size), of: part())
    return Number(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: Number.self))
  }

  /// The place of a text, which is not read yet.
  mutating func textRange(of part: @autoclosure () -> String) throws(GGUFError.Problem) -> Range<Int> {
    let count = try number(UInt64.self, of: part())
    let start = try skip(count, of: part())
    return start..<position
  }

  mutating func text(of part: @autoclosure () -> String) throws(GGUFError.Problem) -> String {
    let range = try textRange(of: part())
    guard let text = Self.text(bytes, range) else { throw .notUTF8(part: part(), offset: range.lowerBound) }
    return text
  }

  static func text(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> String? {
    String(validating: UnsafeRawBufferPointer(rebasing: bytes[range]), as: UTF8.self)
  }
}
