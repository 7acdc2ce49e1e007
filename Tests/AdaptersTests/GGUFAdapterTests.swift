import Checkpoints
import Foundation
import Models
import Testing

@testable import Adapters

/// The golden file is written by scripts/golden/gguf_adapter.py with llama.cpp's Python package.
@Suite struct GGUFAdapterTests {
  static let llama = """
    {"model_type": "llama", "vocab_size": 30, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
     "num_key_value_heads": 2, "intermediate_size": 24, "max_position_embeddings": 16}
    """

  /// r 2, scale 3; A and B of map number n hold n + i / 64.
  private func adapter(head: [String: HeadTensor] = [:]) throws -> (ExpandedAdapter, ModelGeometry) {
    let geometry = ModelGeometry(try ModelConfig(json: Self.llama))
    let sites = try TargetSelection(["q_proj", "k_proj", "down_proj"]).select(from: geometry.sites)
    let entries = sites.enumerated().map { number, site in
      func values(_ count: Int) -> [Float] { (0..<count).map { Float(number) + Float($0) / 64 } }
      return ExpandedAdapter.Entry(
        site: site, rank: 2, scale: 3, a: values(2 * site.inFeatures), b: values(2 * site.outFeatures))
    }
    return (ExpandedAdapter(entries: entries, head: head), geometry)
  }

  @Test func theFileIsThatOfLlamaCpp() throws {
    let directory = try TemporaryDirectory()
    let (adapter, geometry) = try adapter()
    try GGUFAdapter(adapter, geometry: geometry).write(to: "\(directory.path)/lora.gguf")
    let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Golden/llama-lora.gguf"
    let written = try Data(contentsOf: URL(fileURLWithPath: "\(directory.path)/lora.gguf"))
    #expect(try written == Data(contentsOf: URL(fileURLWithPath: golden)))
  }

  @Test func whatLlamaCppCannotHoldIsRefused() throws {
    let (adapter, geometry) = try adapter(head: ["score.weight": HeadTensor(shape: [1, 1], values: [0])])
    #expect(throws: AdapterFormatError.head("score.weight")) { try GGUFAdapter(adapter, geometry: geometry) }
    let bert = ModelGeometry(try ModelConfig(json: PEFTExportTests.bert))
    let none = ExpandedAdapter(entries: [], head: [:])
    let known = Architecture.all.filter { $0.ggufName != nil }.map(\.modelType)
    #expect(throws: AdapterFormatError.otherFamily("bert", supported: known)) {
      try GGUFAdapter(none, geometry: bert)
    }
    #expect(throws: AdapterFormatError.empty) { try GGUFAdapter(none, geometry: geometry) }
  }
}
