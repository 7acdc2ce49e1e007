import Checkpoints
import Diagnostics

/// Writes an adapter of a LLaMA model as the LoRA file that llama.cpp loads (`llama-cli --lora FILE`).
///
/// Names and shapes are those of llama.cpp's convert_lora_to_gguf.py. As there, the rows of the queries' and keys' B
/// are reordered, because llama.cpp rotates neighbouring pairs where transformers rotates halves.
public struct GGUFAdapter: Sendable {
  /// The usual name of the file.
  public static let fileName = "adapter_model.gguf"

  private let config: ModelConfig
  private let entries: [ExpandedAdapter.Entry]
  /// llama.cpp scales by alpha / rank, with one alpha for all maps; 0 would count as "no scaling".
  private let alpha: Double

  /// Throws where llama.cpp has no place for what the adapter holds.
  public init(_ adapter: ExpandedAdapter, geometry: ModelGeometry) throws {
    config = geometry.config
    guard config.family == .llama else { throw GGUFError.otherFamily(config.family.rawValue) }
    if let tensor = adapter.head.keys.min() { throw GGUFError.head(tensor) }
    entries = adapter.fused(geometry).entries
    guard let first = entries.first(where: { $0.scale != 0 }) else { throw GGUFError.empty }
    alpha = first.scale * Double(first.rank)
  }

  /// Replaces the file `path`.
  public func write(to path: String) throws {
    let tensors = try entries.flatMap { entry in
      let name = try "blk.\(entry.site.layer).\(Self.name(of: entry.site)).weight"
      let b = entry.b(scaledFor: alpha / Double(entry.rank))
      return [
        GGUFWriter.Tensor(name: name + ".lora_a", shape: [entry.rank, entry.site.inFeatures], entry.a),
        GGUFWriter.Tensor(
          name: name + ".lora_b", shape: [entry.site.outFeatures, entry.rank], reordered(b, of: entry)),
      ]
    }
    try GGUFWriter.write(
      metadata: [
        ("general.architecture", .string("llama")), ("general.type", .string("adapter")),
        ("adapter.type", .string("lora")), ("adapter.lora.alpha", .float(Float(alpha))),
        ("general.quantization_version", .uint32(2)),
      ], tensors: tensors, to: path)
  }

  /// Row h·D + 2i + p of llama.cpp is row h·D + p·D/2 + i of transformers, for the heads h of queries and keys.
  private func reordered(_ b: [Float], of entry: ExpandedAdapter.Entry) -> [Float] {
    let heads: Int
    switch entry.site.module {
    case "self_attn.q_proj": heads = config.heads
    case "self_attn.k_proj": heads = config.keyValueHeads
    default: return b
    }
    let size = entry.site.outFeatures / heads, half = size / 2, rank = entry.rank
    return (0..<entry.site.outFeatures).flatMap { row in
      let (head, place) = (row / size, row % size)
      let source = head * size + place % 2 * half + place / 2
      return b[(source * rank)..<((source + 1) * rank)]
    }
  }

  private static func name(of site: Site) throws -> String {
    let names = [
      "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
      "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
      "mlp.down_proj": "ffn_down",
    ]
    guard let name = names[site.module] else { throw GGUFError.module(site.path) }
    return name
  }
}

/// An adapter that cannot be a LoRA file of llama.cpp.
public enum GGUFError: UserFacingError, Equatable {
  case otherFamily(String)
  /// A classification head, for which llama.cpp has no place.
  case head(String)
  /// Nothing is adapted.
  case empty
  case module(String)

  /// What cannot be written.
  public var description: String {
    switch self {
    case .otherFamily(let family): "--format gguf is for llama models; this one is \(family)"
    case .head(let tensor):
      "--format gguf: the adapter has a classification head (\(tensor)), for which a LoRA file of llama.cpp has no place"
    case .empty: "--format gguf: the adapter changes nothing, there is no LoRA to write"
    case .module(let path): "--format gguf: llama.cpp has no name for \(path)"
    }
  }

  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }
}
