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
        try tensor.stream {
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
  /// Calls its argument with the bytes, in one or more pieces.
  public typealias Stream = @Sendable (_ write: (UnsafeRawBufferPointer) throws -> Void) throws -> Void

  /// Its name in the file.
  public let name: String
  /// Lengths of the dimensions, slowest first.
  public let shape: [Int]
  /// The type of its numbers.
  public let type: SafetensorsType
  /// The size of its data in bytes.
  public let byteCount: Int
  let stream: Stream

  /// Numbers that `stream` passes on piece by piece while the file is written, never all in memory.
  public init(name: String, shape: [Int], type: SafetensorsType, stream: @escaping Stream) {
    (self.name, self.shape, self.type, self.stream) = (name, shape, type, stream)
    byteCount = type.byteCount(shape: shape) ?? 0
  }

  /// Float32 numbers, row by row.
  public init(name: String, shape: [Int], _ values: [Float]) {
    self.init(name: name, shape: shape, type: .float32, numbers: values)
  }

  /// Bit patterns of `.float16` or `.bfloat16` numbers.
  public init(name: String, shape: [Int], type: SafetensorsType, bits16: [UInt16]) {
    self.init(name: name, shape: shape, type: type, numbers: bits16)
  }

  /// Numbers of any type, as their little-endian bytes.
  public init(name: String, shape: [Int], type: SafetensorsType, bytes: [UInt8]) {
    self.init(name: name, shape: shape, type: type, numbers: bytes)
  }

  private init<Number: Sendable>(name: String, shape: [Int], type: SafetensorsType, numbers: [Number]) {
    precondition(
      type.byteCount(shape: shape) == numbers.count * MemoryLayout<Number>.stride,
      "\(name): the numbers don't fill the shape")
    self.init(name: name, shape: shape, type: type) { try numbers.withUnsafeBytes($0) }
  }

  /// A tensor of a checkpoint.
  public init(name: String, _ tensor: FrozenTensor) {
    self.init(name: name, shape: tensor.shape, type: SafetensorsType(tensor.elementType)) { write in
      guard tensor.rowOrder == nil, !tensor.elementType.isQuantised else {
        return try tensor.floats().withUnsafeBytes(write)
      }
      let size = tensor.elementType.byteCount(of: tensor.count)
      try withExtendedLifetime(tensor) { try write(UnsafeRawBufferPointer(start: tensor.bytes, count: size)) }
    }
  }

  /// The tensor `stored` of `file` under another name, whatever its type. Nil if there is none.
  public init?(name: String, copyOf stored: String, in file: SafetensorsFile) {
    guard let info = file.info(stored) else { return nil }
    self.init(name: name, shape: info.shape, type: info.dtype) { try file.forEachPiece(of: stored, $0) }
  }
}
