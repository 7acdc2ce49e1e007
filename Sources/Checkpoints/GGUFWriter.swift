/// Writes GGUF files (version 3, little-endian), the format of llama.cpp: float32 tensors and a few kinds of metadata.
///
/// Layout: github.com/ggml-org/ggml, docs/gguf.md. Tensors are aligned to 32 bytes.
public enum GGUFWriter {
  /// A value of the metadata.
  public enum Value: Sendable, Equatable {
    case string(String)
    case float(Float)
    case uint32(UInt32)
  }

  /// A float32 tensor, row-major.
  public struct Tensor: Sendable {
    let name: String
    let shape: [Int]
    let values: [Float]

    /// Lengths of the dimensions, slowest first (the file has the reverse order).
    public init(name: String, shape: [Int], _ values: [Float]) {
      precondition(shape.reduce(1, *) == values.count, "\(name): the numbers don't fill the shape")
      (self.name, self.shape, self.values) = (name, shape, values)
    }
  }

  private static let alignment = 32

  /// Replaces the file `path`. Throws `OutputError`.
  public static func write(metadata: [(key: String, value: Value)], tensors: [Tensor], to path: String) throws {
    var header: [UInt8] = Array("GGUF".utf8)
    append([UInt32(3)], to: &header)
    append([tensors.count, metadata.count], to: &header)
    for (key, value) in metadata {
      append(key, to: &header)
      switch value {
      case .uint32(let number): append([4, number], to: &header)
      case .float(let number): append([6, number.bitPattern], to: &header)
      case .string(let text):
        append([UInt32(8)], to: &header)
        append(text, to: &header)
      }
    }
    var offset = 0
    for tensor in tensors {
      append(tensor.name, to: &header)
      append([UInt32(tensor.shape.count)], to: &header)
      append(tensor.shape.reversed(), to: &header)
      append([UInt32(0)], to: &header)  // F32
      append([offset], to: &header)
      offset += aligned(4 * tensor.values.count)
    }
    header += [UInt8](repeating: 0, count: aligned(header.count) - header.count)
    try AtomicFile.write(to: path) { file in
      try header.withUnsafeBytes { try file.write($0) }
      for tensor in tensors {
        try tensor.values.withUnsafeBytes { try file.write($0) }
        let size = 4 * tensor.values.count
        try [UInt8](repeating: 0, count: aligned(size) - size).withUnsafeBytes { try file.write($0) }
      }
    }
  }

  private static func aligned(_ count: Int) -> Int { (count + alignment - 1) / alignment * alignment }

  private static func append(_ numbers: [some FixedWidthInteger], to bytes: inout [UInt8]) {
    for number in numbers { withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) } }
  }

  private static func append(_ text: String, to bytes: inout [UInt8]) {
    append([text.utf8.count], to: &bytes)
    bytes.append(contentsOf: text.utf8)
  }
}
