/// Reads the fields of a protocol buffer message, one after the other.
struct ProtobufReader {
  /// A field's value by its wire type.
  enum Value {
    case varint(UInt64)
    case bytes(ArraySlice<UInt8>)
    case fixed32(UInt32)
    case fixed64(UInt64)
  }

  /// The message is cut off or malformed.
  struct Malformed: Error {}

  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  /// The next field, or nil at the end.
  mutating func next() throws -> (number: UInt64, value: Value)? {
    if rest.isEmpty { return nil }
    let key = try varint()
    switch key & 7 {
    case 0: return (key >> 3, .varint(try varint()))
    case 1: return (key >> 3, .fixed64(try fixed(8)))
    case 2: return (key >> 3, .bytes(try take(try varint())))
    case 5: return (key >> 3, .fixed32(UInt32(truncatingIfNeeded: try fixed(4))))
    default: throw Malformed()
    }
  }

  private mutating func varint() throws -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard let byte = rest.popFirst() else { throw Malformed() }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw Malformed()
  }

  private mutating func fixed(_ count: UInt64) throws -> UInt64 {
    try take(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private mutating func take(_ count: UInt64) throws -> ArraySlice<UInt8> {
    guard count <= UInt64(rest.count) else { throw Malformed() }
    defer { rest = rest.dropFirst(Int(count)) }
    return rest.prefix(Int(count))
  }
}

extension ProtobufReader.Value {
  func integer() throws -> Int {
    guard case .varint(let value) = self else { throw ProtobufReader.Malformed() }
    return Int(truncatingIfNeeded: Int64(bitPattern: value))
  }

  func bool() throws -> Bool { try integer() != 0 }

  func float() throws -> Float {
    guard case .fixed32(let bits) = self else { throw ProtobufReader.Malformed() }
    return Float(bitPattern: bits)
  }

  func bytes() throws -> ArraySlice<UInt8> {
    guard case .bytes(let bytes) = self else { throw ProtobufReader.Malformed() }
    return bytes
  }

  func string() throws -> String {
    guard let text = String(validating: try bytes(), as: UTF8.self) else { throw ProtobufReader.Malformed() }
    return text
  }
}
