import Kernels
import StrictJSON

/// The header of a safetensors file, checked against the file's length.
///
/// Source of the rules: https://github.com/huggingface/safetensors#format. Eight bytes hold the header's length
/// (little-endian); the header, a JSON object, and the data follow. The tensors cover the data without gaps.
struct SafetensorsHeader {
  /// A tensor: its place and type.
  struct Entry: Sendable, Equatable {
    let name: String
    let type: SafetensorsType
    let shape: [Int]
    /// From the start of the data.
    let bytes: Range<Int>
  }

  /// The limit of the reference implementation.
  static let maximumLength = 100_000_000

  /// In the order of their data.
  let entries: [Entry]
  let metadata: [String: String]
  /// The offset of the data in the file.
  let dataStart: Int

  private typealias Problem = SafetensorsError.Problem

  /// Reads and checks the header of the file `path`, which holds `file`.
  init(_ file: UnsafeRawBufferPointer, path: String) throws(SafetensorsError) {
    do {
      try self.init(file)
    } catch {
      throw SafetensorsError(path: path, problem: error)
    }
  }

  private init(_ file: UnsafeRawBufferPointer) throws(Problem) {
    if file.starts(with: "version https://git-lfs".utf8) { throw .gitLFSPointer }
    guard file.count >= 8 else { throw .tooShort(bytes: file.count) }
    let claimed = UInt64(littleEndian: file.loadUnaligned(as: UInt64.self))
    guard claimed <= UInt64(Self.maximumLength) else { throw .headerTooLong(claimed) }
    let length = Int(claimed)
    guard length <= file.count - 8 else { throw .headerBeyondFile(length: length, available: file.count - 8) }
    dataStart = 8 + length
    let root: JSONNode
    do {
      root = try JSONParser.parse(Array(file[8..<dataStart]), file: "")
    } catch {
      let error = error as? JSONSyntaxError
      throw .headerNotJSON("line \(error?.line ?? 1), column \(error?.column ?? 1): \(error?.problem ?? "")")
    }
    guard let object = root.object, file[8] == UInt8(ascii: "{") else { throw .headerNotObject }
    metadata = try Self.metadata(object["__metadata__"])
    let available = file.count - dataStart
    var entries: [Entry] = []
    entries.reserveCapacity(object.count)
    for name in object.keys where name != "__metadata__" {
      if let node = object[name] { entries.append(try Self.entry(name, node, available: available)) }
    }
    entries.sort { ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound) }
    try Self.checkCover(entries, available: available)
    self.entries = entries
  }

  private static func metadata(_ node: JSONNode?) throws(Problem) -> [String: String] {
    guard let node else { return [:] }
    guard let object = node.object else { throw .metadataNotStrings }
    var metadata: [String: String] = [:]
    for key in object.keys {
      guard let text = object[key]?.string else { throw .metadataNotStrings }
      metadata[key] = text
    }
    return metadata
  }

  private static func entry(_ name: String, _ node: JSONNode, available: Int) throws(Problem) -> Entry {
    guard node.object != nil else { throw .entryNotObject(tensor: name) }
    guard let type = node["dtype"]?.string.flatMap(SafetensorsType.init) else { throw .unknownType(tensor: name) }
    guard let shape = naturals(node["shape"]) else { throw .malformedShape(tensor: name) }
    guard let bits = type.bitCount(shape: shape) else { throw .shapeTooLarge(tensor: name) }
    guard bits % 8 == 0 else { throw .partialByte(tensor: name) }
    let needed = bits / 8
    guard let offsets = naturals(node["data_offsets"]), offsets.count == 2, offsets[0] <= offsets[1] else {
      throw .malformedOffsets(tensor: name)
    }
    let (start, end) = (offsets[0], offsets[1])
    guard end <= available else { throw .offsetsBeyondFile(tensor: name, end: end, available: available) }
    guard end - start == needed else { throw .sizeMismatch(tensor: name, stored: end - start, needed: needed) }
    return Entry(name: name, type: type, shape: shape, bytes: start..<end)
  }

  /// A list of whole numbers, none negative, none written like 2.0; nil for anything else.
  private static func naturals(_ node: JSONNode?) -> [Int]? {
    guard let elements = node?.array else { return nil }
    var numbers: [Int] = []
    for element in elements {
      guard case .integer(let number) = element.value, number >= 0 else { return nil }
      numbers.append(number)
    }
    return numbers
  }

  /// Checks that each tensor begins where the one before ends, and that the last ends with the file.
  private static func checkCover(_ entries: [Entry], available: Int) throws(Problem) {
    var end = 0
    var previous = ""
    for entry in entries {
      let start = entry.bytes.lowerBound
      if start < end { throw .overlap(tensor: entry.name, other: previous) }
      if start > end { throw .hole(before: entry.name, bytes: start - end) }
      end = entry.bytes.upperBound
      previous = entry.name
    }
    if end < available { throw .trailingBytes(available - end) }
  }
}

/// A number type of the safetensors format, named as in the header.
///
/// In the order of the reference implementation: a file stores the tensors of later types first.
public enum SafetensorsType: String, Sendable, CaseIterable {
  case bool = "BOOL"
  case float4 = "F4"
  case float6E2M3 = "F6_E2M3"
  case float6E3M2 = "F6_E3M2"
  case uint8 = "U8"
  case int8 = "I8"
  case float8E5M2 = "F8_E5M2"
  case float8E4M3 = "F8_E4M3"
  case float8E8M0 = "F8_E8M0"
  case float8E4M3FNUZ = "F8_E4M3FNUZ"
  case float8E5M2FNUZ = "F8_E5M2FNUZ"
  case int16 = "I16"
  case uint16 = "U16"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case int32 = "I32"
  case uint32 = "U32"
  case float32 = "F32"
  case complex64 = "C64"
  case float64 = "F64"
  case int64 = "I64"
  case uint64 = "U64"

  /// Bits of one number.
  public var bitCount: Int {
    switch self {
    case .float4: 4
    case .float6E2M3, .float6E3M2: 6
    case .bool, .uint8, .int8, .float8E5M2, .float8E4M3, .float8E8M0, .float8E4M3FNUZ, .float8E5M2FNUZ: 8
    case .int16, .uint16, .float16, .bfloat16: 16
    case .int32, .uint32, .float32: 32
    case .complex64, .float64, .int64, .uint64: 64
    }
  }

  /// The type of a `FrozenTensor`; nil if it is not supported for weights.
  public var elementType: ElementType? { ElementType(rawValue: rawValue) }

  /// The type that holds the numbers of a `FrozenTensor`: its own, or float32 for blocks, which the format does not have.
  public init(_ type: ElementType) { self = SafetensorsType(rawValue: type.rawValue) ?? .float32 }

  /// The size of a tensor in bytes; nil if it is not a whole number or overflows `Int`.
  func byteCount(shape: [Int]) -> Int? {
    bitCount(shape: shape).flatMap { $0 % 8 == 0 ? $0 / 8 : nil }
  }

  /// The size of a tensor in bits; nil if a length is negative, or if the others overflow `Int`, even beside a zero.
  func bitCount(shape: [Int]) -> Int? {
    var count = 1
    for length in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: max(1, length))
      if length < 0 || overflow { return nil }
      count = product
    }
    let (bits, overflow) = count.multipliedReportingOverflow(by: bitCount)
    if overflow { return nil }
    return shape.contains(0) ? 0 : bits
  }
}
