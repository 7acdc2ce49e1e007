import Autograd
import Checkpoints
import Foundation
import Kernels
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

  /// s B A of every map in the file, whatever the method makes it of; a product that is more than that is refused.
  @Test(arguments: AdapterMethod.all.filter(\.hasAdapters).map(\.name))
  func everyMethodsProductIsWritten(name: String) throws {
    let geometry = ModelGeometry(try ModelConfig(json: Self.llama))
    var values = MethodValues()
    switch name {
    case "vb-lora": (values["num_vectors"], values["vector_length"]) = (6, 8)
    case "uni-lora": values["theta_d_length"] = 200
    case "rosa": values["d"] = 0.1
    case "rasa": values["k"] = 1
    case "msplora": values["blocks"] = 2
    default: break
    }
    let sites = try TargetSelection(["q_proj", "k_proj", "down_proj"]).select(from: geometry.sites)
    let method = try AdapterMethod.named(name).with(values)
    let table = try SiteTable(sites: sites, method: method, r: name == "msplora" ? 8 : 4, scale: 0.5, alpha: 2)
    var state = TrainableState(table: table, head: [])
    if !method.needsWeights { try state.initializeAdapter(philox: Philox(seed: 1)) }
    var random = SplitMix(state: 3)
    for key in table.tensors where table.tensor(key).trains || method.needsWeights {
      state[key] = random.floats(table.tensor(key).count)
    }
    let adapter = try StoredAdapter(
      table: table, tensors: Dictionary(uniqueKeysWithValues: table.tensors.map { ($0, state[$0]) }), head: [:],
      metadata: AdapterMetadata(
        baseModel: "tiny", modelType: "llama", taskType: "CAUSAL_LM", labels: [], loraAlpha: 2,
        targetModules: .allLinear)
    ).expanded
    let directory = try TemporaryDirectory()
    try GGUFAdapter(adapter, geometry: geometry).write(to: "\(directory.path)/lora.gguf")
    let file = try GGUFFile(path: "\(directory.path)/lora.gguf")
    let alpha = try #require(try file.metadata.number("adapter.lora.alpha"))
    let names = [
      "self_attn.q_proj": ("attn_q", 4), "self_attn.k_proj": ("attn_k", 2), "mlp.down_proj": ("ffn_down", 0),
    ]
    #expect(file.names.count == 2 * adapter.entries.count)
    for entry in adapter.entries {
      let (stored, heads) = try #require(names[entry.site.module]), rank = entry.rank
      let place = "blk.\(entry.site.layer).\(stored).weight.lora_"
      let a = try #require(file.tensor(place + "a")).floats(), b = try #require(file.tensor(place + "b")).floats()
      for row in 0..<entry.site.outFeatures {
        // Heads of four numbers: halves here, neighbouring pairs there.
        let inHead = row % 4, source = heads == 0 ? row : row - inHead + [0, 2, 1, 3][inHead]
        for column in 0..<entry.site.inFeatures {
          let theirs = (0..<rank).reduce(0.0) {
            $0 + alpha / Double(rank) * Double(b[row * rank + $1] * a[$1 * entry.site.inFeatures + column])
          }
          let ours = (0..<rank).reduce(0.0) {
            $0 + entry.scale * Double(entry.b[source * rank + $1] * entry.a[$1 * entry.site.inFeatures + column])
          }
          #expect(abs(theirs - ours) < 1e-4 * max(1, abs(ours)), "\(entry.site.path) \(row) \(column)")
        }
      }
    }
  }

  @Test func moreThanALowRankIsRefused() throws {
    let (adapter, geometry) = try adapter()
    let path = adapter.entries[0].site.path, outputs = adapter.entries[0].site.outFeatures
    for change: (inout ExpandedAdapter.Entry) -> Void in [
      { $0.rowScale = [Float](repeating: 2, count: outputs) },
      { $0.sparse = SparseMatrix(places: SparsePlaces(rows: [0], columns: [0]), values: [1]) },
    ] {
      var entries = adapter.entries
      change(&entries[0])
      #expect(throws: AdapterFormatError.notPlainLoRA(format: "gguf", path: path)) {
        try GGUFAdapter(ExpandedAdapter(entries: entries, head: [:]), geometry: geometry)
      }
    }
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
