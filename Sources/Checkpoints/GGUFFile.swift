import Foundation
import Kernels

/// A memory-mapped GGUF file with a valid header, or all files of a model that is split.
///
///     let file = try GGUFFile(path: "SmolLM2-135M-Instruct.Q4_1.gguf")
///     let weight = try file.tensor("token_embd.weight")
public struct GGUFFile: Sendable {
  /// A tensor's entry.
  public struct Info: Sendable, Equatable {
    /// Lengths of the dimensions, slowest first.
    public let shape: [Int]
    /// How its numbers are stored.
    public let type: ElementType
    /// The size of its data.
    public var byteCount: Int { type.byteCount(of: shape.reduce(1, *)) }
    fileprivate let part: Int
    /// From the start of the part.
    fileprivate let offset: Int
  }

  /// The path of the file that was named.
  public let path: String
  /// Its metadata.
  public let metadata: GGUFMetadata
  /// The tensors, in the order of their entries.
  public let names: [String]
  private let entries: [String: Info]
  private let parts: [MappedFile]

  /// Maps the file, or the parts of which it is the first, and checks every entry. Throws `FileError` or `GGUFError`.
  public init(path: String) throws {
    let first = try GGUFMetadata(path: path)
    let files = try GGUFSplit.parts(of: first)
    var names: [String] = [], entries: [String: Info] = [:]
    for (number, metadata) in files.enumerated() {
      do {
        for entry in try GGUFEntry.all(metadata) {
          guard entries[entry.name] == nil else { throw GGUFError.Problem.duplicateTensor(entry.name) }
          names.append(entry.name)
          entries[entry.name] = Info(
            shape: entry.shape, type: entry.type, part: number, offset: entry.bytes.lowerBound)
        }
      } catch let problem as GGUFError.Problem {
        throw GGUFError(path: metadata.path, problem)
      }
    }
    if files.count > 1, let expected = try first.integer("split.tensors.count"), expected != names.count {
      throw GGUFError(path: path, .tensorsOfParts(found: names.count, expected: expected))
    }
    (self.path, metadata, self.names, self.entries) = (path, files[0], names, entries)
    parts = files.map(\.file)
  }

  /// The shape and type of the tensor `name`; nil if there is no such tensor.
  public func info(_ name: String) -> Info? { entries[name] }

  /// The tensor `name`, not copied; nil if there is no such tensor. `rowOrder` is the order in which the file has its rows.
  public func tensor(_ name: String, rowOrder: RowOrder? = nil) -> FrozenTensor? {
    entries[name].map { entry in
      FrozenTensor(
        file: parts[entry.part], byteOffset: entry.offset, shape: entry.shape, elementType: entry.type,
        rowOrder: rowOrder)
    }
  }

  /// The path of the part that holds the tensor `name`.
  func path(of name: String) -> String { entries[name].map { parts[$0.part].path } ?? path }

  /// Drops the files' pages from memory (madvise). They are read again when needed.
  func forgetPages() { parts.forEach { $0.forget(0..<$0.count) } }
}

extension GGUFFile {
  /// The GGUF file that `model` means: itself, or the only one of a directory without safetensors. Nil for a directory in
  /// the layout of the Hugging Face Hub. Throws where a directory has several.
  public static func path(of model: String) throws -> String? {
    if model.lowercased().hasSuffix(".gguf") { return model }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: model).sorted()) ?? []
    let files = names.filter { $0.lowercased().hasSuffix(".gguf") && !GGUFSplit.isLaterPart($0) }
    if files.isEmpty
      || names.contains(where: { $0.hasSuffix(".safetensors") || $0.hasSuffix(".safetensors.index.json") })
    {
      return nil
    }
    guard files.count == 1 else { throw GGUFError(path: model, .several(files: files)) }
    return model.hasSuffix("/") ? model + files[0] : "\(model)/\(files[0])"
  }
}

/// The names of a model's parts: `NAME-00001-of-00003.gguf`.
enum GGUFSplit {
  static func number(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
  }

  static func isLaterPart(_ name: String) -> Bool {
    guard let match = name.wholeMatch(of: /.*-([0-9]{5})-of-[0-9]{5}\.gguf/) else { return false }
    return match.1 != "00001"
  }

  /// The metadata of every part of the model, of which `first` is the first.
  static func parts(of first: GGUFMetadata) throws -> [GGUFMetadata] {
    let count = try first.integer("split.count") ?? 1
    guard count > 1 else { return [first] }
    let end = "-\(number(1))-of-\(number(count)).gguf"
    guard first.path.hasSuffix(end) else { throw GGUFError(path: first.path, .unnamedPart(parts: count)) }
    let stem = first.path.dropLast(end.count)
    return try (0..<count).map { index in
      if index == 0 { return first }
      let path = "\(stem)-\(number(index + 1))-of-\(number(count)).gguf"
      guard FileManager.default.fileExists(atPath: path) else {
        throw GGUFError(path: first.path, .missingPart(file: path))
      }
      let part = try GGUFMetadata(path: path)
      guard try part.integer("split.count") == count, try part.integer("split.no") == index else {
        throw GGUFError(path: first.path, .otherPart(file: path))
      }
      return part
    }
  }
}

/// A tensor's entry, checked against the file.
struct GGUFEntry {
  let name: String
  /// Slowest first.
  let shape: [Int]
  let type: ElementType
  /// From the start of the file.
  let bytes: Range<Int>

  private typealias Problem = GGUFError.Problem

  /// The entries of a file, in their order.
  static func all(_ metadata: GGUFMetadata) throws -> [GGUFEntry] {
    var reader = GGUFReader(bytes: metadata.file.bytes)
    _ = try reader.skip(UInt64(metadata.end), of: "its metadata")
    let alignment = try metadata.integer("general.alignment") ?? 32
    guard alignment > 0, alignment & (alignment - 1) == 0, alignment <= 1 << 24 else {
      throw metadata.wrong("general.alignment", "a power of two", "\(alignment)")
    }
    var raw: [Raw] = [], number: UInt64 = 0
    while number < metadata.tensorCount {
      raw.append(try Raw(&reader, number: number, of: metadata.tensorCount))
      number += 1
    }
    let start = min(metadata.file.count, (reader.position + alignment - 1) / alignment * alignment)
    let available = metadata.file.count - start
    let entries = try raw.map { raw in
      guard raw.offset % UInt64(alignment) == 0 else {
        throw Problem.misaligned(tensor: raw.name, offset: raw.offset, alignment: alignment)
      }
      let bytes = raw.type.byteCount(of: raw.count)
      guard raw.offset <= UInt64(available), bytes <= available - Int(raw.offset) else {
        throw Problem.beyondFile(tensor: raw.name, offset: raw.offset, bytes: bytes, available: available)
      }
      let first = start + Int(raw.offset)
      return GGUFEntry(name: raw.name, shape: raw.shape, type: raw.type, bytes: first..<first + bytes)
    }
    try requireApart(entries)
    return entries
  }

  private static func requireApart(_ entries: [GGUFEntry]) throws {
    let sorted = entries.filter { !$0.bytes.isEmpty }.sorted { $0.bytes.lowerBound < $1.bytes.lowerBound }
    for (one, other) in zip(sorted, sorted.dropFirst()) where one.bytes.upperBound > other.bytes.lowerBound {
      throw Problem.overlap(tensor: other.name, other: one.name)
    }
  }

  /// An entry as the file has it.
  private struct Raw {
    let name: String
    let shape: [Int]
    let count: Int
    let type: ElementType
    let offset: UInt64

    init(_ reader: inout GGUFReader, number: UInt64, of tensors: UInt64) throws(Problem) {
      func part() -> String { "the entry of tensor \(number) of \(tensors)" }
      name = try reader.text(of: part())
      let dimensions = try reader.number(UInt32.self, of: part())
      guard dimensions <= 4 else { throw .tooManyDimensions(tensor: name, dimensions) }
      var lengths: [Int] = [], count = 1
      for _ in 0..<dimensions {
        guard let length = Int(exactly: try reader.number(UInt64.self, of: part())) else {
          throw .shapeTooLarge(tensor: name)
        }
        let (product, overflows) = count.multipliedReportingOverflow(by: max(1, length))
        // The bytes of any type fit, too.
        guard !overflows, product < 1 << 58 else { throw .shapeTooLarge(tensor: name) }
        count = product
        lengths.append(length)
      }
      let typeNumber = try reader.number(UInt32.self, of: part())
      guard let type = ElementType(gguf: typeNumber) else { throw .unknownType(tensor: name, number: typeNumber) }
      guard (lengths.first ?? 1) % type.blockSize == 0 else {
        throw .partialBlock(tensor: name, length: lengths.first ?? 1, type: type)
      }
      offset = try reader.number(UInt64.self, of: part())
      (self.type, shape, self.count) = (type, lengths.reversed(), lengths.contains(0) ? 0 : count)
    }
  }
}
