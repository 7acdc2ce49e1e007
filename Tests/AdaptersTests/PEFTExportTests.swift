import Adapters
import Checkpoints
import Diagnostics
import Foundation
import Models
import StrictJSON
import Testing

/// `PEFT_EXPORT_DIRECTORY` keeps what is written; scripts/golden/check_peft_export.py loads it into PEFT.
@Suite struct PEFTExportTests {
  static let bert = """
    {"model_type": "bert", "vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
     "intermediate_size": 16, "max_position_embeddings": 16}
    """
  static let gpt2 =
    #"{"model_type": "gpt2", "vocab_size": 30, "n_positions": 16, "n_embd": 8, "n_layer": 2, "n_head": 2}"#

  private func adapter(
    _ geometry: ModelGeometry, targets: [String], strategy: AdapterMethod, rslora: Bool = false
  ) throws -> StoredAdapter {
    var random = SplitMix(state: 5)
    let sites = try TargetSelection(targets).select(from: geometry.sites)
    let table = try SiteTable(sites: sites, method: strategy, r: 2)
    var tensors: [TensorKey: [Float]] = [:]
    for key in table.tensors { tensors[key] = random.floats(table.shape(key).reduce(1, *)) }
    let isBERT = geometry.config.modelType == "bert"
    let head = [
      "classifier.weight": HeadTensor(shape: [2, 8], values: random.floats(16)),
      "classifier.bias": HeadTensor(shape: [2], values: random.floats(2)),
    ]
    return StoredAdapter(
      table: table, tensors: tensors, head: isBERT ? head : [:],
      metadata: AdapterMetadata(
        baseModel: "tiny", modelType: geometry.config.modelType, taskType: isBERT ? "SEQ_CLS" : "CAUSAL_LM",
        labels: [], loraAlpha: 5, useRSLoRA: rslora, targetModules: TargetSelection(targets).targets))
  }

  private func write(_ export: PEFTExport, _ name: String) throws -> (path: String, keep: TemporaryDirectory) {
    let temporary = try TemporaryDirectory()
    let parent = ProcessInfo.processInfo.environment["PEFT_EXPORT_DIRECTORY"] ?? temporary.path
    let path = "\(parent)/\(name)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try export.write(to: path)
    return (path, temporary)
  }

  /// PEFT would adapt the modules of the same names in the vision tower too.
  @Test func targetsOfTheTextPartAloneHaveTheirFullPaths() throws {
    let geometry = ModelGeometry(
      try ModelConfig(
        json: """
          {"model_type": "gemma3", "text_config": {"model_type": "gemma3_text", "vocab_size": 30, "hidden_size": 8,
           "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4,
           "intermediate_size": 16, "max_position_embeddings": 16}}
          """))
    let adapter = try adapter(geometry, targets: ["q_proj"], strategy: .lora)
    let (path, keep) = try write(PEFTExport(adapter, geometry: geometry), "gemma3")
    let names = (0..<2).map { "model.language_model.layers.\($0).self_attn.q_proj" }
    #expect(try PEFTAdapter.read(path, geometry: geometry).targetModules == TargetSelection(names).targets)
    withExtendedLifetime(keep) {}
  }

  @Test(arguments: [
    (["query", "value"], ["attention.self.query", "attention.self.value"]),
    (["dense"], ["attention.output.dense", "intermediate.dense", "output.dense", "pooler.dense"]),
    (["intermediate.dense"], ["intermediate.dense"]),
    (["layer.1.output.dense"], ["bert.encoder.layer.1.output.dense"]),
  ])
  func exportsReadAsTheSameAdapter(targets: [String], names: [String]) throws {
    let geometry = ModelGeometry(try ModelConfig(json: Self.bert))
    let adapter = try adapter(geometry, targets: targets, strategy: .shareA)
    let (path, keep) = try write(PEFTExport(adapter, geometry: geometry), "bert-\(targets[0])")
    let read = try PEFTAdapter.read(path, geometry: geometry)
    #expect(try read.expanded == adapter.expanded)
    #expect(read.targetModules == TargetSelection(names).targets)
    withExtendedLifetime(keep) {}
  }

  @Test(arguments: [false, true])
  func slicesBecomeOneLoRAOnTheFusedMap(rslora: Bool) throws {
    let geometry = ModelGeometry(try ModelConfig(json: Self.gpt2))
    let adapter = try adapter(
      geometry, targets: ["c_attn.q", "c_attn.v", "c_fc"], strategy: .shareA, rslora: rslora)
    let (path, keep) = try write(PEFTExport(adapter, geometry: geometry), "gpt2-\(rslora)")
    let read = try PEFTAdapter.read(path, geometry: geometry).expanded
    #expect(read.entries.map(\.rank) == [4, 2, 4, 2])
    #expect(read.entries.allSatisfy { abs($0.scale - adapter.scale) < 1e-12 })
    for slice in try adapter.expanded.entries {
      guard let rows = slice.site.slice else { continue }
      let fused = try #require(read.entries.first { $0.site.path == rows.path })
      let update = product(slice), whole = product(fused)
      let start = rows.firstRow * 8
      #expect(zip(whole[start..<(start + 64)], update).allSatisfy { abs($0 - $1) < 1e-12 })
      #expect(whole[64..<128].allSatisfy { $0 == 0 }, "the keys are not adapted")
    }
    withExtendedLifetime(keep) {}
  }

  /// zoo.md's numbers, in units of float32: the bank, and for each piece two numbers of vectors and one weight. All six maps of a
  /// layer, r 4, h 90, b 256.
  @Test(arguments: [(768, 12, 3072, 26_928, 12), (1024, 24, 4096, 33_408, 16)])
  func compactVBLoRA(hidden: Int, layers: Int, wide: Int, numbers: Int, pieces: Int) throws {
    let geometry = ModelGeometry(
      try ModelConfig(
        json: """
          {"model_type": "bert", "vocab_size": 30, "hidden_size": \(hidden), "num_hidden_layers": \(layers),
           "num_attention_heads": 8, "intermediate_size": \(wide), "max_position_embeddings": 16}
          """))
    var values = MethodValues()
    (values["num_vectors"], values["save_only_topk_weights"]) = (90, true)
    let sites = geometry.sites.filter { !$0.path.hasPrefix("pooler") }
    let table = try SiteTable(sites: sites, method: AdapterMethod.vbLoRA.with(values), r: 4)
    #expect(table.keys(ofSiteAt: 0).map(table.shape) == [[90, 256], [pieces, 90], [pieces, 90]])
    var random = SplitMix(state: 5)
    let adapter = StoredAdapter(
      table: table,
      tensors: Dictionary(uniqueKeysWithValues: table.tensors.map { ($0, random.floats(table.tensor($0).count)) }),
      head: [:],
      metadata: AdapterMetadata(
        baseModel: "roberta", modelType: "bert", taskType: "SEQ_CLS", labels: [], loraAlpha: 1,
        targetModules: .allLinear))
    let directory = try TemporaryDirectory()
    try PEFTExport(adapter, geometry: geometry).write(to: directory.path)
    let file = try SafetensorsFile(path: "\(directory.path)/\(AdapterFile.tensorsName)")
    #expect(file.names.compactMap { file.info($0)?.byteCount }.reduce(0, +) == 4 * numbers)
  }

  /// A and B put together again of the vectors and weights in the file, with their numbers in one byte, two and four.
  @Test(arguments: [(6, SafetensorsType.uint8), (300, .int16), (33_000, .int32)])
  func compactVBLoRAHoldsTheMixtures(vectors: Int, type: SafetensorsType) throws {
    let geometry = ModelGeometry(try ModelConfig(json: Self.bert))
    var values = MethodValues()
    (values["num_vectors"], values["vector_length"], values["topk"]) = (.integer(vectors), 4, 3)
    values["save_only_topk_weights"] = true
    let sites = try TargetSelection(["query", "intermediate.dense"]).select(from: geometry.sites)
    let table = try SiteTable(sites: sites, method: AdapterMethod.vbLoRA.with(values), r: 2)
    var random = SplitMix(state: 7)
    let adapter = StoredAdapter(
      table: table,
      tensors: Dictionary(uniqueKeysWithValues: table.tensors.map { ($0, random.floats(table.tensor($0).count)) }),
      head: [:],
      metadata: AdapterMetadata(
        baseModel: "tiny", modelType: "bert", taskType: "SEQ_CLS", labels: [], loraAlpha: 1,
        targetModules: .suffixes(["query", "intermediate.dense"])))
    let directory = try TemporaryDirectory()
    try PEFTExport(adapter, geometry: geometry).write(to: directory.path)
    let file = try SafetensorsFile(path: "\(directory.path)/\(AdapterFile.tensorsName)")
    let bank = try file.tensor(#require(file.names.first { $0.hasSuffix("vector_bank") })).floats()
    for entry in try adapter.expanded.entries {
      func tiles(_ factor: String) throws -> [[Float]] {
        let name = try #require(file.names.first { $0.contains("\(entry.site.path).vblora_logits_\(factor)_topk_ind") })
        #expect(file.info(name)?.dtype == type)
        let width = type == .uint8 ? 1 : type == .int16 ? 2 : 4, bytes = try file.bytes(of: name)
        let indices = stride(from: 0, to: bytes.count, by: width).map { start in
          (0..<width).reduce(0) { $0 | Int(bytes[start + $1]) << (8 * $1) }
        }
        let weights = try file.tensor(name.replacing("_indices", with: "_weights")).floats()
        return stride(from: 0, to: indices.count, by: 3).map { place in
          let known = [weights[place / 3 * 2], weights[place / 3 * 2 + 1]]
          return (0..<4).map { index in
            zip(indices[place..<(place + 3)], known + [1 - known[0] - known[1]]).reduce(0) {
              $0 + $1.1 * bank[$1.0 * 4 + index]
            }
          }
        }
      }
      let a = try tiles("A").flatMap(\.self), b = try tiles("B")
      #expect(zip(a, entry.a).allSatisfy { abs($0 - $1) < 1e-6 } && a.count == entry.a.count)
      for row in 0..<entry.site.outFeatures {
        for column in 0..<2 {
          #expect(abs(b[row / 4 * 2 + column][row % 4] - entry.b[row * 2 + column]) < 1e-6)
        }
      }
    }
  }

  private func product(_ entry: ExpandedAdapter.Entry) -> [Double] {
    let columns = entry.site.inFeatures
    return (0..<entry.site.outFeatures).flatMap { row in
      (0..<columns).map { column in
        entry.scale
          * (0..<entry.rank).reduce(0) {
            $0 + Double(entry.b[row * entry.rank + $1]) * Double(entry.a[$1 * columns + column])
          }
      }
    }
  }
}
