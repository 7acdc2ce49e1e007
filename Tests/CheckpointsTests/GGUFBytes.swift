import Foundation

/// Writes GGUF files by hand, right and wrong ones.
struct GGUFBytes {
  var bytes: [UInt8]

  init(version: UInt32 = 3, tensors: UInt64 = 0, values: UInt64 = 0) {
    bytes = Array("GGUF".utf8)
    number(version)
    number(tensors)
    number(values)
  }

  mutating func number(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }

  mutating func text(_ text: String) {
    number(UInt64(text.utf8.count))
    bytes += text.utf8
  }

  /// A key, the type of its value, and the value's bytes.
  mutating func value(_ key: String, _ type: UInt32, _ value: [UInt8]) {
    text(key)
    number(type)
    bytes += value
  }

  mutating func value(_ key: String, text value: String) {
    self.value(key, 8, [])
    text(value)
  }

  /// An entry; lengths are fastest first.
  mutating func tensor(_ name: String, _ lengths: [UInt64], type: UInt32, offset: UInt64) {
    text(name)
    number(UInt32(lengths.count))
    for length in lengths { number(length) }
    number(type)
    number(offset)
  }

  mutating func align(_ alignment: Int = 32) { while bytes.count % alignment != 0 { bytes.append(0) } }

  /// Runs `body` with the file on disk.
  @discardableResult
  func with<Result>(name: String = "m.gguf", _ body: (String) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent(name).path
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return try body(path)
  }
}
