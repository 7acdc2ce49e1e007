import Checkpoints
import Models

/// Writes an adapter of a decoder as the LoRA file that llama.cpp loads (`llama-cli --lora FILE`).
///
/// Names and shapes are those of llama.cpp's convert_lora_to_gguf.py. As there, the rows of the queries' and keys' B
/// are reordered, because llama.cpp rotates neighbouring pairs where transformers rotates halves.
public struct GGUFAdapter: Sendable {
  /// The usual name of the file.
  public static let fileName = "adapter_model.gguf"

  private let architecture: String
  private let geometry: ModelGeometry
  private let entries: [ExpandedAdapter.Entry]
  /// llama.cpp scales by alpha / rank, with one alpha for all maps; 0 would count as "no scaling".
  private let alpha: Double

  /// Throws if llama.cpp has no place for what the adapter holds.
  public init(_ adapter: ExpandedAdapter, geometry: ModelGeometry) throws {
    self.geometry = geometry
    guard let name = geometry.config.architecture.ggufName else {
      throw AdapterFormatError.otherFamily(
        geometry.config.modelType,
        supported: Architecture.all.filter { $0.ggufName != nil }.map(\.modelType))
    }
    architecture = name
    try adapter.requirePlain(format: "gguf")
    if let tensor = adapter.head.keys.min() { throw AdapterFormatError.head(tensor) }
    entries = adapter.fused(geometry).entries
    guard let first = entries.first(where: { $0.scale != 0 }) else { throw AdapterFormatError.empty }
    alpha = first.scale * Double(first.rank)
  }

  /// Replaces the file `path`.
  public func write(to path: String) throws {
    let tensors = try entries.flatMap { entry in
      guard let map = geometry.map(of: entry.site), let ggufName = map.ggufName else {
        throw AdapterFormatError.module(entry.site.path)
      }
      let name = "blk.\(entry.site.layer).\(ggufName).weight"
      let b = entry.b(scaledFor: alpha / Double(entry.rank))
      return [
        GGUFWriter.Tensor(name: name + ".lora_a", shape: [entry.rank, entry.site.inFeatures], entry.a),
        GGUFWriter.Tensor(
          name: name + ".lora_b", shape: [entry.site.outFeatures, entry.rank],
          reordered(b, of: entry, heads: map.rotatedHeads)),
      ]
    }
    try GGUFWriter.write(
      metadata: [
        ("general.architecture", .string(architecture)), ("general.type", .string("adapter")),
        ("adapter.type", .string("lora")), ("adapter.lora.alpha", .float(Float(alpha))),
        ("general.quantization_version", .uint32(2)),
      ], tensors: tensors, to: path)
  }

  /// Row h·D + 2i + p of llama.cpp is row h·D + p·D/2 + i of transformers, for the heads h of queries and keys.
  private func reordered(_ b: [Float], of entry: ExpandedAdapter.Entry, heads: Int?) -> [Float] {
    guard let heads else { return b }
    let size = entry.site.outFeatures / heads, half = size / 2, rank = entry.rank
    return (0..<entry.site.outFeatures).flatMap { row in
      let (head, place) = (row / size, row % size)
      let source = head * size + place % 2 * half + place / 2
      return b[(source * rank)..<((source + 1) * rank)]
    }
  }
}
