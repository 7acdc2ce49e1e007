import Kernels
import StrictJSON

/// Writes safetensors files, complete or absent. The same tensors always give the same bytes.
///
///     try SafetensorsWriter.write(
///       [SafetensorsTensor(name: "query.lora_A", shape: [8, 384], values)], metadata: ["format": "pt"], to: path)
public enum SafetensorsWriter {
  /// Replaces the file `path`. Throws `OutputError`.
  ///
  /// As in the reference implementation, tensors of wider types come first (which aligns them), then the order is that of
  /// the names' bytes; spaces fill the header up to a multiple of 8. Metadata keys are sorted. `onTensor` is called before
  /// each tensor and may throw to stop.
  public static func write(
    _ tensors: [SafetensorsTensor], metadata: [String: String] = [:], to path: String, onTensor: () throws -> Void = {}
  ) throws {
    let order = SafetensorsType.allCases
    let ranks = Dictionary(uniqueKeysWithValues: zip(order, order.indices))
    let sorted = tensors.sorted { first, second in
      let (left, right) = (ranks[first.type] ?? 0, ranks[second.type] ?? 0)
      return left != right ? left > right : first.name.utf8.lexicographicallyPrecedes(second.name.utf8)
    }
    let header = try header(sorted, metadata: metadata, path: path)
    try AtomicFile.write(to: path) { file in
      try withUnsafeBytes(of: UInt64(header.count).littleEndian) { try file.write($0) }
      try header.withUnsafeBytes { try file.write($0) }
      for tensor in sorted {
        try onTensor()
        var written = 0
        try tensor.withBytes {
          written += $0.count
          try file.write($0)
        }
        precondition(written == tensor.byteCount, "\(tensor.name): the numbers don't fill the shape")
      }
    }
  }

  private static func header(_ tensors: [SafetensorsTensor], metadata: [String: String], path: String) throws -> [UInt8]
  {
    var object = JSONObject()
    if !metadata.isEmpty {
      let sorted = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
      object["__metadata__"] = JSONNode(.members(sorted.map { ($0.key, .string($0.value)) }))
    }
    var offset = 0
    for tensor in tensors {
      guard object[tensor.name] == nil, tensor.name != "__metadata__" else {
        throw SafetensorsError(path: path, problem: .duplicateTensor(tensor.name))
      }
      let end = offset + tensor.byteCount
      object[tensor.name] = JSONNode([
        "dtype": .string(tensor.type.rawValue), "shape": .list(tensor.shape.map { .integer($0) }),
        "data_offsets": [.integer(offset), .integer(end)],
      ])
      offset = end
    }
    var header = Array(JSONWriter.text(.object(object), pretty: false).utf8)
    while header.count % 8 != 0 { header.append(UInt8(ascii: " ")) }
    return header
  }
}

/// A named tensor to write.
public struct SafetensorsTensor: Sendable {
  /// Its name in the file.
  public let name: String
  /// Lengths of the dimensions, slowest first.
  public let shape: [Int]
  /// The type of its numbers.
  public let type: SafetensorsType
  private let content: Content

  private enum Content: Sendable {
    case floats([Float])
    case bits16([UInt16])
    case bytes([UInt8])
    case frozen(FrozenTensor)
    case stream(@Sendable (_ write: (UnsafeRawBufferPointer) throws -> Void) throws -> Void)
  }

  /// Float32 numbers, row by row.
  public init(name: String, shape: [Int], _ values: [Float]) {
    self.init(name: name, shape: shape, type: .float32, .floats(values), byteCount: 4 * values.count)
  }

  /// Bit patterns of `.float16` or `.bfloat16` numbers.
  public init(name: String, shape: [Int], type: SafetensorsType, bits16: [UInt16]) {
    self.init(name: name, shape: shape, type: type, .bits16(bits16), byteCount: 2 * bits16.count)
  }

  /// Numbers of any type, as their little-endian bytes.
  public init(name: String, shape: [Int], type: SafetensorsType, bytes: [UInt8]) {
    self.init(name: name, shape: shape, type: type, .bytes(bytes), byteCount: bytes.count)
  }

  /// A tensor of a checkpoint.
  public init(name: String, _ tensor: FrozenTensor) {
    let type = SafetensorsType(tensor.elementType)
    self.init(
      name: name, shape: tensor.shape, type: type, .frozen(tensor),
      byteCount: tensor.count * tensor.elementType.byteCount)
  }

  /// Numbers that `stream` passes on piece by piece while the file is written, never all in memory.
  public init(
    name: String, shape: [Int], type: SafetensorsType,
    stream: @escaping @Sendable (_ write: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) {
    self.init(name: name, shape: shape, type: type, .stream(stream), byteCount: type.byteCount(shape: shape) ?? 0)
  }

  /// The tensor `stored` of `file` under another name, whatever its type. Nil if there is none.
  public init?(name: String, copyOf stored: String, in file: SafetensorsFile) {
    guard let info = file.info(stored) else { return nil }
    self.init(name: name, shape: info.shape, type: info.dtype) { try file.forEachPiece(of: stored, $0) }
  }

  private init(name: String, shape: [Int], type: SafetensorsType, _ content: Content, byteCount: Int) {
    precondition(type.byteCount(shape: shape) == byteCount, "\(name): the numbers don't fill the shape")
    self.name = name
    self.shape = shape
    self.type = type
    self.content = content
    self.byteCount = byteCount
  }

  /// The size of its data in bytes.
  public let byteCount: Int

  /// Calls `body` with the bytes, in one or more pieces.
  func withBytes(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    switch content {
    case .floats(let values): try values.withUnsafeBytes(body)
    case .bits16(let values): try values.withUnsafeBytes(body)
    case .bytes(let bytes): try bytes.withUnsafeBytes(body)
    case .frozen(let tensor):
      try withExtendedLifetime(tensor) { try body(UnsafeRawBufferPointer(start: tensor.bytes, count: byteCount)) }
    case .stream(let produce): try produce(body)
    }
  }
}
