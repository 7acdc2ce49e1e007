import Kernels

/// Writes GGUF files (version 3, little-endian), the format of llama.cpp.
///
/// Layout: github.com/ggml-org/ggml, docs/gguf.md. Tensors are aligned to 32 bytes.
public enum GGUFWriter {
  /// A value of the metadata.
  public enum Value: Sendable, Equatable {
    case string(String)
    case float(Float)
    case uint16(UInt16)
    case uint32(UInt32)
    case bool(Bool)
    case strings([String])
    case floats([Float])
    case int32s([Int32])
  }

  /// A tensor, row-major.
  public struct Tensor: Sendable {
    /// Calls its argument with the bytes, in one or more pieces.
    public typealias Stream = @Sendable (_ write: (UnsafeRawBufferPointer) throws -> Void) throws -> Void

    let name: String
    let shape: [Int]
    let type: ElementType
    let stream: Stream

    /// Bytes of its data.
    var byteCount: Int { type.byteCount(of: shape.reduce(1, *)) }

    /// Float32 numbers. Lengths of the dimensions are slowest first (the file has the reverse order).
    public init(name: String, shape: [Int], _ values: [Float]) {
      precondition(shape.reduce(1, *) == values.count, "\(name): the numbers don't fill the shape")
      self.init(name: name, shape: shape, type: .float32) { write in try values.withUnsafeBytes(write) }
    }

    /// Numbers of any type, which `stream` passes on piece by piece while the file is written.
    public init(name: String, shape: [Int], type: ElementType, stream: @escaping Stream) {
      (self.name, self.shape, self.type, self.stream) = (name, shape, type, stream)
    }
  }

  private static let alignment = 32

  /// Replaces the file `path`. Throws `OutputError`. `onTensor` is called before each tensor and may throw to stop.
  public static func write(
    metadata: [(key: String, value: Value)], tensors: [Tensor], to path: String,
    onTensor: (Tensor) throws -> Void = { _ in }
  ) throws {
    var header: [UInt8] = Array("GGUF".utf8)
    append([UInt32(3)], to: &header)
    append([tensors.count, metadata.count], to: &header)
    for (key, value) in metadata {
      append(key, to: &header)
      append(value, to: &header)
    }
    var offset = 0
    for tensor in tensors {
      append(tensor.name, to: &header)
      append([UInt32(tensor.shape.count)], to: &header)
      append(tensor.shape.reversed(), to: &header)
      append([tensor.type.ggufNumber], to: &header)
      append([offset], to: &header)
      offset += aligned(tensor.byteCount)
    }
    header += [UInt8](repeating: 0, count: aligned(header.count) - header.count)
    try AtomicFile.write(to: path) { file in
      try header.withUnsafeBytes { try file.write($0) }
      for tensor in tensors {
        try onTensor(tensor)
        var size = 0
        try tensor.stream {
          size += $0.count
          try file.write($0)
        }
        precondition(size == tensor.byteCount, "\(tensor.name): the numbers don't fill the shape")
        try [UInt8](repeating: 0, count: aligned(size) - size).withUnsafeBytes { try file.write($0) }
      }
    }
  }

  private static func aligned(_ count: Int) -> Int { (count + alignment - 1) / alignment * alignment }

  private static func append(_ value: Value, to bytes: inout [UInt8]) {
    func type(_ type: GGUFValueType) { append([type.rawValue], to: &bytes) }
    func list(_ element: GGUFValueType, _ count: Int) {
      append([GGUFValueType.list.rawValue, element.rawValue], to: &bytes)
      append([count], to: &bytes)
    }
    switch value {
    case .string(let text):
      type(.text)
      append(text, to: &bytes)
    case .float(let number):
      type(.float32)
      append([number.bitPattern], to: &bytes)
    case .uint16(let number):
      type(.uint16)
      append([number], to: &bytes)
    case .uint32(let number):
      type(.uint32)
      append([number], to: &bytes)
    case .bool(let value):
      type(.bool)
      append([UInt8(value ? 1 : 0)], to: &bytes)
    case .strings(let texts):
      list(.text, texts.count)
      for text in texts { append(text, to: &bytes) }
    case .floats(let numbers):
      list(.float32, numbers.count)
      append(numbers.map(\.bitPattern), to: &bytes)
    case .int32s(let numbers):
      list(.int32, numbers.count)
      append(numbers, to: &bytes)
    }
  }

  private static func append(_ numbers: [some FixedWidthInteger], to bytes: inout [UInt8]) {
    for number in numbers { withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) } }
  }

  private static func append(_ text: String, to bytes: inout [UInt8]) {
    append([text.utf8.count], to: &bytes)
    bytes.append(contentsOf: text.utf8)
  }
}
