import Diagnostics
import Kernels

/// The metadata of a GGUF file: values by key.
///
///     let metadata = try GGUFMetadata(path: "model.gguf")
///     let layers = try metadata.integer("llama.block_count")
///     let template = try metadata.text("tokenizer.chat_template")
///
/// Layout: github.com/ggml-org/ggml, docs/gguf.md, versions 2 and 3, little-endian. A value is read when it is asked for;
/// a key that is absent gives nil, a value of another type is an error that names the key.
public struct GGUFMetadata: Sendable {
  /// The file's path.
  public let path: String
  /// The keys, in file order.
  public let keys: [String]
  let file: MappedFile
  let tensorCount: UInt64
  /// Where the entries of tensors begin.
  let end: Int
  private let entries: [String: Entry]

  /// Where a value is.
  private struct Entry: Sendable {
    let type: GGUFValueType
    /// How many values; 1 outside lists.
    let count: Int
    let isList: Bool
    let start: Int
  }

  /// Reads the file at `path`. Throws `GGUFError`, or `FileError` where it cannot be opened.
  public init(path: String) throws {
    try self.init(file: MappedFile(path: path))
  }

  init(file: MappedFile) throws {
    do {
      try self.init(reading: file)
    } catch {
      throw GGUFError(path: file.path, error)
    }
  }

  private init(reading file: MappedFile) throws(GGUFError.Problem) {
    var reader = GGUFReader(bytes: file.bytes)
    if file.bytes.starts(with: "version https://git-lfs".utf8) { throw .gitLFSPointer }
    guard file.bytes.starts(with: "GGUF".utf8) else { throw .notGGUF }
    _ = try reader.skip(4, of: "its header")
    let version = try reader.number(UInt32.self, of: "its header")
    if version & 0xFFFF == 0, version != 0 { throw .byteSwapped }
    guard version == 2 || version == 3 else { throw .unsupportedVersion(version) }
    tensorCount = try reader.number(UInt64.self, of: "its header")
    let count = try reader.number(UInt64.self, of: "its header")
    var keys: [String] = [], entries: [String: Entry] = [:], number: UInt64 = 0
    // The file ends long before a count that is too large does.
    while number < count {
      let key = try reader.text(of: "key \(number) of \(count)")
      guard entries[key] == nil else { throw .duplicateKey(key) }
      entries[key] = try Self.entry(key, &reader)
      keys.append(key)
      number += 1
    }
    (self.file, path, self.keys, self.entries, end) = (file, file.path, keys, entries, reader.position)
  }

  private static func entry(_ key: String, _ reader: inout GGUFReader) throws(GGUFError.Problem) -> Entry {
    func part() -> String { "the value of \(shown(key))" }
    func type(_ number: UInt32) throws(GGUFError.Problem) -> GGUFValueType {
      guard let type = GGUFValueType(rawValue: number) else { throw .unknownValueType(key: key, type: number) }
      return type
    }
    var element = try type(reader.number(UInt32.self, of: part())), count: UInt64 = 1
    let isList = element == .list
    if isList {
      element = try type(reader.number(UInt32.self, of: part()))
      if element == .list { throw .nestedList(key: key) }
      count = try reader.number(UInt64.self, of: part())
    }
    let start = reader.position
    if let size = element.size {
      let (length, overflows) = count.multipliedReportingOverflow(by: size)
      _ = try reader.skip(overflows ? .max : length, of: part())
    } else {
      // Each has its length, so that no count is longer than the file.
      var number: UInt64 = 0
      while number < count {
        _ = try reader.textRange(of: part())
        number += 1
      }
    }
    return Entry(type: element, count: Int(count), isList: isList, start: start)
  }

  // MARK: - Values

  /// Whether there is the key `key`.
  public func contains(_ key: String) -> Bool { entries[key] != nil }

  /// A text.
  public func text(_ key: String) throws -> String? {
    try single(key, "a text") { $0 == .text }.flatMap { try texts($0, key).first }
  }

  /// A whole number of any type.
  public func integer(_ key: String) throws -> Int? {
    guard let entry = try single(key, "a whole number", where: \.isInteger) else { return nil }
    guard let value = integers(entry).first, let value else {
      throw wrong(key, "a whole number below 2⁶³", "more")
    }
    return value
  }

  /// A number of any type.
  public func number(_ key: String) throws -> Double? {
    try single(key, "a number", where: \.isNumber).flatMap { numbers($0).first }
  }

  /// True or false.
  public func bool(_ key: String) throws -> Bool? {
    try single(key, "true or false") { $0 == .bool }.map { file.bytes[$0.start] != 0 }
  }

  /// A list of texts.
  public func texts(_ key: String) throws -> [String]? {
    try list(key, "a list of texts") { $0 == .text }.map { try texts($0, key) }
  }

  /// A list of whole numbers.
  public func integers(_ key: String) throws -> [Int]? {
    try list(key, "a list of whole numbers", where: \.isInteger).map { entry in
      try integers(entry).map { value in
        guard let value else { throw wrong(key, "a list of whole numbers below 2⁶³", "more") }
        return value
      }
    }
  }

  /// A list of numbers.
  public func numbers(_ key: String) throws -> [Double]? {
    try list(key, "a list of numbers", where: \.isNumber).map(numbers)
  }

  /// Whether the value of `key` is a list.
  public func isList(_ key: String) -> Bool { entries[key]?.isList ?? false }

  /// The error that the value of `key` is not `expected`.
  public func wrong(_ key: String, _ expected: String, _ found: String) -> GGUFError {
    GGUFError(path: path, .wrongValue(key: key, expected: expected, found: found))
  }

  /// The error that there is no `key`.
  public func missing(_ key: String) -> GGUFError { GGUFError(path: path, .missingKey(key)) }

  /// The bytes before the tensors' entries.
  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: file.bytes[..<end]) }

  private func single(
    _ key: String, _ expected: String, where fits: (GGUFValueType) -> Bool
  ) throws -> Entry? {
    guard let entry = entries[key] else { return nil }
    guard !entry.isList, fits(entry.type) else { throw wrong(key, expected, entry.isList ? "a list" : entry.type.name) }
    return entry
  }

  private func list(_ key: String, _ expected: String, where fits: (GGUFValueType) -> Bool) throws -> Entry? {
    guard let entry = entries[key] else { return nil }
    // An empty list may have elements of any type.
    guard entry.isList, fits(entry.type) || entry.count == 0 else {
      throw wrong(key, expected, entry.isList ? "a list of values that are each \(entry.type.name)" : entry.type.name)
    }
    return entry
  }

  private func texts(_ entry: Entry, _ key: String) throws -> [String] {
    var position = entry.start
    return try (0..<entry.count).map { _ in
      let start = position + 8
      let end = start + Int(UInt64(littleEndian: file.bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)))
      position = end
      guard let text = GGUFReader.text(file.bytes, start..<end) else {
        throw GGUFError(path: path, .notUTF8(part: "a text of \(shown(key))", offset: start))
      }
      return text
    }
  }

  /// Nil for what is 2⁶³ or more.
  private func integers(_ entry: Entry) -> [Int?] {
    (0..<entry.count).map { entry.type.integer(file.bytes, entry.start + $0 * Int(entry.type.size ?? 0)) }
  }

  private func numbers(_ entry: Entry) -> [Double] {
    (0..<entry.count).map { entry.type.number(file.bytes, entry.start + $0 * Int(entry.type.size ?? 0)) }
  }
}

/// The type of a value, by its number in a file.
enum GGUFValueType: UInt32 {
  case uint8, int8, uint16, int16, uint32, int32, float32, bool, text, list, uint64, int64, float64

  /// Bytes of a value; nil where they are not fixed.
  var size: UInt64? {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64: 8
    case .text, .list: nil
    }
  }

  var isInteger: Bool {
    switch self {
    case .uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64: true
    case .float32, .bool, .text, .list, .float64: false
    }
  }

  var isNumber: Bool { isInteger || self == .float32 || self == .float64 }

  /// In a message.
  var name: String {
    switch self {
    case .text: "a text"
    case .bool: "true or false"
    case .list: "a list"
    case .float32, .float64: "a number"
    default: "a whole number"
    }
  }

  func integer(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> Int? {
    func read<Number: FixedWidthInteger>(_: Number.Type) -> Int? {
      Int(exactly: Number(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Number.self)))
    }
    return switch self {
    case .uint8, .bool: read(UInt8.self)
    case .int8: read(Int8.self)
    case .uint16: read(UInt16.self)
    case .int16: read(Int16.self)
    case .uint32: read(UInt32.self)
    case .int32: read(Int32.self)
    case .uint64: read(UInt64.self)
    case .int64: read(Int64.self)
    case .float32, .float64, .text, .list: nil
    }
  }

  func number(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> Double {
    switch self {
    case .float32:
      Double(Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))))
    case .float64:
      Double(bitPattern: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
    default: integer(bytes, offset).map(Double.init) ?? .infinity
    }
  }
}
