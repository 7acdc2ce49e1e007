import Diagnostics
import Kernels

/// The texts in the metadata of a GGUF file, such as its chat template. Numbers and lists are passed over.
///
/// Layout: github.com/ggml-org/ggml, docs/gguf.md, versions 2 and 3, little-endian.
public struct GGUFTexts: Sendable {
  /// The texts by their keys, in file order.
  public private(set) var members: [(key: String, text: String)] = []

  /// The text under `key`.
  public subscript(key: String) -> String? { members.first { $0.key == key }?.text }

  /// Reads the metadata of the file at `path`. Throws `GGUFError`, or `FileError` where it cannot be opened.
  public init(path: String) throws {
    let file = try MappedFile(path: path)
    try self.init(bytes: file.bytes, path: path)
    withExtendedLifetime(file) {}
  }

  init(bytes: UnsafeRawBufferPointer, path: String) throws {
    var reader = GGUFReader(bytes: bytes, path: path)
    guard bytes.starts(with: Array("GGUF".utf8)) else { throw reader.error("is no GGUF file") }
    try reader.skip(4)
    let version = try reader.number(4)
    guard version == 2 || version == 3 else { throw reader.error("has version \(version) of GGUF, not 2 or 3") }
    try reader.skip(8)
    let count = try reader.number(8)
    for _ in 0..<count {
      let key = try reader.text(), type = try reader.number(4)
      if type == GGUFReader.text { members.append((key, try reader.text())) } else { try reader.skipValue(type) }
    }
  }
}

/// What is wrong with a GGUF file.
public struct GGUFError: UserFacingError, Equatable {
  /// The file.
  public let path: String
  /// What is wrong.
  public let problem: String
  /// File and problem.
  public var description: String { "\(path): \(problem)" }
  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }
}

/// Walks through a file's metadata, never beyond its end.
private struct GGUFReader {
  let bytes: UnsafeRawBufferPointer
  let path: String
  private var position = 0

  static let text = 8
  private static let list = 9
  /// Bytes of a value, by the number of its type; 0 where they are not fixed.
  private static let sizes = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8]

  init(bytes: UnsafeRawBufferPointer, path: String) { (self.bytes, self.path) = (bytes, path) }

  func error(_ problem: String) -> GGUFError { GGUFError(path: path, problem: problem) }

  mutating func skip(_ count: Int) throws {
    guard count >= 0, count <= bytes.count - position else { throw error("the metadata is cut off") }
    position += count
  }

  /// A number of 4 or 8 bytes that is no more than the file could count.
  mutating func number(_ size: Int) throws -> Int {
    let start = position
    try skip(size)
    let value = bytes[start..<position].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard let number = Int(exactly: value) else { throw error("a length of the metadata is too large") }
    return number
  }

  mutating func text() throws -> String {
    let count = try number(8), start = position
    try skip(count)
    guard let text = String(validating: bytes[start..<position], as: UTF8.self) else {
      throw error("a text of the metadata is not UTF-8")
    }
    return text
  }

  mutating func skipValue(_ type: Int) throws {
    switch type {
    case Self.text: try skip(try number(8))
    case Self.list:
      let element = try number(4), count = try number(8)
      if let size = Self.sizes.indices.contains(element) ? Self.sizes[element] : nil, size > 0 {
        let (length, overflows) = count.multipliedReportingOverflow(by: size)
        try skip(overflows ? .max : length)
      } else if element == Self.text {
        // Each has its length, so that no count is longer than the file.
        for _ in 0..<count { try skip(try number(8)) }
      } else {
        throw error("a list in the metadata has elements of the unknown type \(element)")
      }
    default:
      guard Self.sizes.indices.contains(type) else {
        throw error("the metadata has a value of the unknown type \(type)")
      }
      try skip(Self.sizes[type])
    }
  }
}
