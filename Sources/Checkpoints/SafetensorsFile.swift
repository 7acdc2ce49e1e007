import Algorithms
import Diagnostics
import Kernels

/// A memory-mapped safetensors file with a valid header.
///
///     let file = try SafetensorsFile(path: "model.safetensors")
///     let weight = try file.tensor("embeddings.word_embeddings.weight")
public struct SafetensorsFile: Sendable {
  /// A tensor's entry in the header.
  public struct Info: Sendable, Equatable {
    /// Lengths of the dimensions, slowest first.
    public let shape: [Int]
    /// The type of its numbers.
    public let dtype: SafetensorsType
    /// The size of its data in bytes.
    public let byteCount: Int
  }

  /// The file's path.
  public let path: String
  /// The tensors, in the order of their data.
  public let names: [String]
  /// The header's `__metadata__`; empty if there is none.
  public let metadata: [String: String]
  private let file: MappedFile
  private let dataStart: Int
  private let entries: [String: SafetensorsHeader.Entry]

  /// Maps the file and checks its header. Throws `FileError` (66) or `SafetensorsError` (65).
  public init(path: String) throws {
    file = try MappedFile(path: path)
    let header = try SafetensorsHeader(file.bytes, path: path)
    self.path = path
    names = header.entries.map(\.name)
    metadata = header.metadata
    dataStart = header.dataStart
    entries = Dictionary(header.entries.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The shape and type of the tensor `name`; nil if there is no such tensor.
  public func info(_ name: String) -> Info? {
    entries[name].map { Info(shape: $0.shape, dtype: $0.type, byteCount: $0.bytes.count) }
  }

  /// The tensor `name`, not copied. Throws if it is missing or not F32, F16 or BF16.
  public func tensor(_ name: String) throws -> FrozenTensor {
    let entry = try entry(name)
    guard let type = entry.type.elementType else {
      throw SafetensorsError(path: path, problem: .unusableType(tensor: name, type: entry.type))
    }
    return FrozenTensor(
      file: file, byteOffset: dataStart + entry.bytes.lowerBound, shape: entry.shape, elementType: type)
  }

  /// A copy of the tensor's bytes, whatever its type.
  public func bytes(of name: String) throws -> [UInt8] { file.copy(range(try entry(name))) }

  /// Calls `body` with the tensor's bytes piece by piece, whatever its type. Pages are released after each piece, so
  /// memory stays small.
  func forEachPiece(of name: String, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    for range in range(try entry(name)).chunks(ofCount: 1 << 22) {
      try body(UnsafeRawBufferPointer(rebasing: file.bytes[range]))
      file.forget(range)
    }
  }

  /// Drops the tensor's pages from memory (madvise). They are read again when needed.
  public func forget(_ name: String) {
    if let entry = entries[name] { file.forget(range(entry)) }
  }

  /// The same for all tensors.
  func forgetPages() { file.forget(0..<file.count) }

  /// The bytes of a tensor in the file.
  private func range(_ entry: SafetensorsHeader.Entry) -> Range<Int> {
    (dataStart + entry.bytes.lowerBound)..<(dataStart + entry.bytes.upperBound)
  }

  private func entry(_ name: String) throws -> SafetensorsHeader.Entry {
    if let entry = entries[name] { return entry }
    throw SafetensorsError(path: path, problem: .missingTensor(name, nearest: nearestName(to: name, among: names)))
  }
}
