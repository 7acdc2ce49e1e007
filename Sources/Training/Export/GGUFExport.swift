import Checkpoints
import Diagnostics
import Foundation
import Kernels
import Models
import StrictJSON
import Tasks
import Tokenizers

/// A model directory as a whole GGUF file for llama.cpp, whose weights are quantised on the way.
///
/// Vectors stay float32. Matrices get the type that is asked for, or where their rows are no multiple of its block the next
/// finer one; the matrix that gives the logits of a coarse model is Q6_K or Q8_0, as llama-quantize has it.
public struct GGUFExport: Sendable {
  /// A tensor as it was written.
  public struct Written: Sendable {
    /// llama.cpp's name.
    public let name: String
    /// How its numbers are stored.
    public let type: ElementType
    /// How many numbers.
    public let count: Int
    /// ‖W' − W‖ / ‖W‖.
    public let error: Double
    /// The largest |W' − W|.
    public let largest: Double
  }

  fileprivate struct Source: Sendable {
    let place: GGUFTensor
    let tensor: FrozenTensor
    let type: ElementType
  }

  /// How many tensors there are.
  public var tensorCount: Int { sources.count + description.count }
  private let metadata: [(key: String, value: GGUFWriter.Value)]
  private let description: [GGUFWriter.Tensor]
  private let sources: [Source]

  /// Reads the model in `directory` and checks that a GGUF file can hold it, which calls it `name`. Without a tokenizer,
  /// only programs that are given one can run it.
  public init(directory: String, type: ElementType, name: String? = nil, hasTokenizer: Bool = true) throws {
    if let path = try GGUFFile.path(of: directory) { throw GGUFExportError.isGGUF(path) }
    let config = try ModelConfig(directory: directory), geometry = ModelGeometry(config)
    let description = try GGUFDescription(config, source: JSONField(contentsOf: "\(directory)/config.json"))
    var metadata = description.metadata
    metadata.append(("general.name", .string(URL(fileURLWithPath: name ?? directory).lastPathComponent)))
    metadata.append(("general.quantization_version", .uint32(2)))
    metadata.append(("general.file_type", .uint32(type.fileType)))
    if hasTokenizer {
      let tokenizer = try Tokenizer(modelDirectory: directory, family: config.architecture)
      metadata += try tokenizer.ggufMetadata(count: config.vocabularySize, file: directory)
      let ids = [("bos", config.bosTokenID), ("eos", config.eosTokenID), ("padding", config.padTokenID)]
      for case let (role, id?) in ids {
        let key = "tokenizer.ggml.\(role)_token_id"
        if metadata.contains(where: { $0.key == key }) { continue }
        metadata.append((key, .uint32(UInt32(clamping: id))))
      }
    }
    if hasTokenizer, let template = try ChatTemplateFiles(modelDirectory: directory).usual {
      metadata.append(("tokenizer.chat_template", .string(template.text)))
    }
    (self.metadata, self.description) = (metadata, description.tensors)
    let output = try OutputLayer(geometry.checkpoint(directory), geometry), weights = output.directory
    let places = geometry.ggufTensors.filter { !output.isTied || $0.name != Architecture.languageModelHead }
    let named = geometry.parts.flatMap(\.namedTensors)
    let head = (Architecture.languageModelHead, [config.vocabularySize, config.hiddenSize])
    let shapes = Dictionary(named + [head]) { first, _ in first }
    let tensors = try weights.tensors(places.map { ($0.name, shapes[$0.name] ?? []) })
    try weights.refuseNonFinite(tensors)
    sources = places.compactMap { place in
      tensors[place.name].map { tensor in
        let isLogits = place.name == (output.isTied ? geometry.tokenEmbedding : Architecture.languageModelHead)
        return Source(place: place, tensor: tensor, type: type.chosen(for: tensor, isLogits: isLogits))
      }
    }
  }

  /// Replaces the file `path`. `onTensor` is called before each tensor and may throw to stop. Returns what quantising did to
  /// each tensor.
  public func write(to path: String, overwrite: Bool, onTensor: () throws -> Void = {}) throws -> [Written] {
    if !overwrite, FileManager.default.fileExists(atPath: path) { throw ExportError.fileExists(path) }
    let errors = Errors()
    let tensors = sources.map { source in
      GGUFWriter.Tensor(name: source.place.stored, shape: source.tensor.shape, type: source.type) { write in
        errors.add(try source.write(write))
      }
    }
    try GGUFWriter.write(metadata: metadata, tensors: description + tensors, to: path) { _ in try onTensor() }
    return errors.all
  }

  /// What has been written so far, on one thread.
  private final class Errors: @unchecked Sendable {
    private(set) var all: [Written] = []
    func add(_ written: Written) { all.append(written) }
  }
}

extension GGUFExport.Source {
  /// Numbers that are widened and quantised at once.
  private static var pieceSize: Int { 1 << 20 }

  /// Writes the tensor piece by piece, its rows in the file's order.
  fileprivate func write(_ write: (UnsafeRawBufferPointer) throws -> Void) throws -> GGUFExport.Written {
    // The numbers of a bias are rows, which may have another order in the file.
    let isWhole = tensor.shape.count < 2 && place.headSize == nil
    let columns = isWhole ? tensor.count : tensor.columns, rows = tensor.count / max(1, columns)
    let size = max(1, Self.pieceSize / max(1, columns))
    var sums = (error: 0.0, whole: 0.0, largest: 0.0)
    for start in stride(from: 0, to: rows, by: size) {
      let range = start..<min(rows, start + size)
      let numbers = self.numbers(of: range, columns)
      var bytes = [UInt8](repeating: 0, count: type.byteCount(of: numbers.count))
      let part = (numbers.count / type.blockSize + 15) / 16 * type.blockSize
      bytes.withUnsafeMutableBytes { bytes in
        numbers.withUnsafeBufferPointer { numbers in
          nonisolated(unsafe) let bytes = bytes, numbers = numbers
          let pieces = part == 0 ? 0 : (numbers.count + part - 1) / part
          DispatchQueue.concurrentPerform(iterations: pieces) { piece in
            let first = piece * part, end = min(numbers.count, first + part)
            guard let base = bytes.baseAddress else { return }
            type.write(UnsafeBufferPointer(rebasing: numbers[first..<end]), to: base + type.byteCount(of: first))
          }
        }
      }
      let again = [Float](unsafeUninitializedCapacity: numbers.count) { buffer, count in
        if let base = buffer.baseAddress {
          bytes.withUnsafeBytes { if let from = $0.baseAddress { type.widen(from, count: numbers.count, into: base) } }
        }
        count = numbers.count
      }
      for (before, after) in zip(numbers, again) {
        let difference = Double(after) - Double(before)
        sums.error += difference * difference
        sums.whole += Double(before) * Double(before)
        sums.largest = max(sums.largest, abs(difference))
      }
      try bytes.withUnsafeBytes(write)
      tensor.forget(range.lowerBound * columns..<range.upperBound * columns)
    }
    return GGUFExport.Written(
      name: place.stored, type: type, count: tensor.count,
      error: sums.whole > 0 ? (sums.error / sums.whole).squareRoot() : 0, largest: sums.largest)
  }

  /// The numbers that the file has in some rows.
  private func numbers(of range: Range<Int>, _ columns: Int) -> [Float] {
    let order = place.headSize.map(RowOrder.init(headSize:))
    return [Float](unsafeUninitializedCapacity: range.count * columns) { buffer, count in
      if let base = buffer.baseAddress {
        for (index, row) in range.enumerated() {
          let from = order?.original(row) ?? row
          tensor.widen(range: from * columns..<(from + 1) * columns, into: base + index * columns)
        }
      }
      count = range.count * columns
      if place.shift != 0 { for index in 0..<count { buffer[index] -= place.shift } }
    }
  }
}

extension ElementType {
  /// The type of a tensor in a file of this type.
  fileprivate func chosen(for tensor: FrozenTensor, isLogits: Bool) -> ElementType {
    guard tensor.shape.count > 1 else { return .float32 }
    let isCoarse = isQuantised && self != .q8_0 && self != .q6_k
    return (isLogits && isCoarse ? .q6_k : self).fitting(columns: tensor.columns)
  }

  /// llama.cpp's number of a file whose matrices have this type (`llama_ftype`).
  fileprivate var fileType: UInt32 {
    switch self {
    case .float32: 0
    case .float16: 1
    case .bfloat16: 32
    case .q4_0: 2
    case .q4_1: 3
    case .q8_0: 7
    case .q5_0: 8
    case .q5_1: 9
    case .q4_k: 14
    case .q5_k: 16
    case .q6_k: 18
    case .iq4_nl: 25
    }
  }
}

/// Why a model is not written as a GGUF file.
public enum GGUFExportError: UserFacingError, Equatable {
  /// It is one already.
  case isGGUF(String)
  /// A merge would quantise its weights again.
  case quantisedBase(model: String)

  /// What to do instead.
  public var description: String {
    switch self {
    case .isGGUF(let path): "\(path): is a GGUF file already; quantising it again would add to its error"
    case .quantisedBase(let model):
      "\(model): an adapter is not merged into a GGUF file, which would quantise it again; run "
        + "`swift-peft export --format gguf` and llama.cpp with `-m \(model) --lora ADAPTER`"
    }
  }

  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }
}
