import Checkpoints
import Foundation
import Models
import StrictJSON
import Testing

@testable import Adapters

/// Folding of made-up GPT-2 and LLaMA checkpoints, whose forward code is not needed; scripts/golden/export.py loads real
/// ones into transformers.
@Suite struct FoldTests {
  static let gpt2 =
    #"{"model_type": "gpt2", "vocab_size": 30, "n_positions": 16, "n_embd": 8, "n_layer": 2, "n_head": 2, "eps": 1e-05}"#

  /// A checkpoint with every weight that folding asks for, and some that are of no use.
  private func checkpoint(_ config: String, _ type: SafetensorsType, prefix: String, extra: [String: [Int]])
    throws -> (TemporaryDirectory, WeightFiles, ModelGeometry)
  {
    let directory = try TemporaryDirectory()
    let geometry = ModelGeometry(try ModelConfig(json: config))
    var random = SplitMix(state: 11)
    var shapes = extra
    for (name, shape) in geometry.parts.flatMap(\.namedTensors) { shapes[prefix + name] = shape }
    let tensors = shapes.sorted { $0.key < $1.key }.map { name, shape in
      let values = random.floats(shape.reduce(1, *))
      return type == .float32
        ? SafetensorsTensor(name: name, shape: shape, values)
        : SafetensorsTensor(
          name: name, shape: shape, type: type,
          bits16: values.map { type == .float16 ? Float16($0).bitPattern : UInt16($0.bitPattern >> 16) })
    }
    try SafetensorsWriter.write(tensors, to: "\(directory.path)/model.safetensors")
    try Data(config.utf8).write(to: URL(fileURLWithPath: "\(directory.path)/config.json"))
    return (directory, try geometry.checkpoint(directory.path), geometry)
  }

  private func adapter(_ geometry: ModelGeometry, _ targets: [String], scale: Double = 1.5) throws -> ExpandedAdapter {
    var random = SplitMix(state: 3)
    let sites = try TargetSelection(targets).select(from: geometry.sites)
    return ExpandedAdapter(
      entries: sites.map { site in
        ExpandedAdapter.Entry(
          site: site, rank: 2, scale: scale, a: random.floats(2 * site.inFeatures),
          b: random.floats(2 * site.outFeatures))
      }, head: [:])
  }

  /// W + s · B A of output `row` and input `column`, in double precision.
  private func expected(_ weight: Float, _ entry: ExpandedAdapter.Entry, _ row: Int, _ column: Int) -> Double {
    var product = 0.0
    for place in 0..<entry.rank {
      product += Double(entry.b[row * entry.rank + place]) * Double(entry.a[place * entry.site.inFeatures + column])
    }
    return Double(weight) + entry.scale * product
  }

  @Test(arguments: ["", "transformer."])
  func slicesOfConv1DAreFoldedInTheirColumns(prefix: String) throws {
    let (directory, weights, geometry) = try checkpoint(
      Self.gpt2, .float32, prefix: prefix,
      extra: [prefix + "h.0.attn.bias": [1, 1, 16, 16], "lm_head.weight": [30, 8]])
    let adapter = try adapter(geometry, ["c_attn.q", "c_attn.v", "mlp.c_proj"])
    let folded = try FoldedCheckpoint(weights, geometry: geometry, adapter: adapter, task: .languageModel)
    #expect(Set(folded.leftOut) == [prefix + "h.0.attn.bias"], "a constant")
    #expect(folded.notices.count == 1, "an output layer of its own, though the config says tied")
    let target = try TemporaryDirectory()
    try folded.write(to: target.path)
    let file = try SafetensorsFile(path: "\(target.path)/model.safetensors")
    #expect(file.names.filter { !$0.hasPrefix("transformer.") } == ["lm_head.weight"])
    #expect(file.names.count == 5 + 2 * 12)
    #expect(file.metadata == ["format": "pt"])
    for entry in adapter.entries {
      let path = entry.site.slice?.path ?? entry.site.path, first = entry.site.slice?.firstRow ?? 0
      let before = try weights.files[0].tensor(prefix + path + ".weight").floats()
      let after = try file.tensor("transformer." + path + ".weight").floats()
      let columns = after.count / entry.site.inFeatures
      for row in 0..<entry.site.outFeatures {
        for column in 0..<entry.site.inFeatures {
          let at = column * columns + first + row
          let exact = expected(before[at], entry, row, column)
          #expect(abs(Double(after[at]) - exact) < 1e-6)
        }
      }
      // The keys' columns are not adapted.
      if entry.site.slice != nil {
        for row in 0..<8 { #expect(after[row * 24 + 8] == before[row * 24 + 8]) }
      }
    }
    let config = try JSONParser.parse(String(contentsOfFile: "\(target.path)/config.json", encoding: .utf8))
    #expect(config["architectures"]?.array?.map(\.string) == ["GPT2LMHeadModel"])
    #expect(config["tie_word_embeddings"]?.bool == false)
    #expect(config["eps"]?.number == 1e-5 && config["n_embd"]?.integer == 8)
    withExtendedLifetime(directory) {}
  }

  /// Slices of different heights: queries, keys and values of grouped-query attention in one [out, in] map.
  @Test func unequalSlicesAreFoldedAndExportedInTheirRows() throws {
    let phi3 = """
      {"model_type": "phi3", "vocab_size": 30, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, \
      "num_key_value_heads": 2, "intermediate_size": 24, "max_position_embeddings": 64, "pad_token_id": 0, \
      "tie_word_embeddings": false}
      """
    let (directory, weights, geometry) = try checkpoint(
      phi3, .float32, prefix: "model.", extra: ["lm_head.weight": [30, 16]])
    let adapter = try adapter(geometry, ["qkv_proj.k", "qkv_proj.v", "gate_up_proj.up"])
    #expect(adapter.entries.prefix(3).map(\.site.outFeatures) == [8, 8, 24])
    #expect(adapter.entries.prefix(3).map(\.site.slice?.firstRow) == [16, 24, 24])
    let target = try TemporaryDirectory()
    try FoldedCheckpoint(weights, geometry: geometry, adapter: adapter, task: .languageModel).write(to: target.path)
    let file = try SafetensorsFile(path: "\(target.path)/model.safetensors")
    let fused = adapter.fused(geometry)
    #expect(fused.entries.map(\.rank) == [4, 2, 4, 2])
    for entry in fused.entries {
      let name = "model.\(entry.site.path).weight", columns = entry.site.inFeatures
      let before = try weights.files[0].tensor(name).floats(), after = try file.tensor(name).floats()
      let slices = adapter.entries.filter { $0.site.slice?.path == entry.site.path }
      for row in 0..<entry.site.outFeatures {
        let slice = slices.first { slice in
          let first = slice.site.slice?.firstRow ?? 0
          return (first..<(first + slice.site.outFeatures)).contains(row)
        }
        for column in 0..<columns {
          let at = row * columns + column
          let exact = slice.map { expected(before[at], $0, row - ($0.site.slice?.firstRow ?? 0), column) }
          #expect(abs(Double(after[at]) - (exact ?? Double(before[at]))) < 1e-6)
          #expect(abs(expected(before[at], entry, row, column) - (exact ?? Double(before[at]))) < 1e-6)
        }
      }
    }
    withExtendedLifetime(directory) {}
  }

  /// The config says tied; what transformers 5 then makes of the stored tensors.
  @Test(arguments: ["another", "equal", "only", "embedding"])
  func theOutputLayerIsTheOneThatIsStored(stored: String) throws {
    let (directory, weights, geometry) = try checkpoint(
      Self.gpt2, .float32, prefix: "", extra: ["lm_head.weight": [30, 8]])
    var tensors: [SafetensorsTensor] = []
    for name in weights.names {
      if name == "wte.weight", stored == "only" { continue }
      if name == "lm_head.weight", stored == "embedding" { continue }
      let source = name == "lm_head.weight" && stored == "equal" ? "wte.weight" : name
      tensors.append(SafetensorsTensor(name: name, try weights.files[0].tensor(source)))
    }
    try SafetensorsWriter.write(tensors, to: "\(directory.path)/other.safetensors")
    try FileManager.default.removeItem(atPath: "\(directory.path)/model.safetensors")
    try FileManager.default.moveItem(
      atPath: "\(directory.path)/other.safetensors", toPath: "\(directory.path)/model.safetensors")
    let files = try geometry.checkpoint(directory.path), output = try OutputLayer(files, geometry)
    #expect(output.isTied == (stored != "another"))
    #expect(output.notices.isEmpty == (stored != "another"))
    #expect(output.directory.contains("wte.weight"))
    let folded = try FoldedCheckpoint(
      files, geometry: geometry, adapter: adapter(geometry, ["c_attn"]), task: .languageModel)
    #expect(folded.leftOut == (stored == "equal" ? ["lm_head.weight"] : []))
    let target = try TemporaryDirectory()
    try folded.write(to: target.path)
    let names = try SafetensorsFile(path: "\(target.path)/model.safetensors").names
    #expect(names.contains("lm_head.weight") == ["another", "only"].contains(stored))
    #expect(names.contains("transformer.wte.weight") == (stored != "only"))
    let config = try JSONParser.parse(String(contentsOfFile: "\(target.path)/config.json", encoding: .utf8))
    #expect(config["tie_word_embeddings"]?.bool == (stored == "another" ? false : nil))
    // What was written says the same again.
    let again = ModelGeometry(try ModelConfig(directory: target.path))
    #expect(try OutputLayer(again.checkpoint(target.path), again).isTied == (stored != "another"))
  }

  @Test(arguments: [SafetensorsType.bfloat16, .float16])
  func halvesAreRoundedOnce(type: SafetensorsType) throws {
    let (directory, weights, geometry) = try checkpoint(
      GGUFAdapterTests.llama, type, prefix: "model.",
      extra: ["lm_head.weight": [30, 16]])
    let adapter = try adapter(geometry, ["q_proj", "down_proj"])
    let target = try TemporaryDirectory()
    let folded = try FoldedCheckpoint(weights, geometry: geometry, adapter: adapter, task: .languageModel)
    try folded.write(to: target.path)
    let file = try SafetensorsFile(path: "\(target.path)/model.safetensors")
    #expect(file.names.allSatisfy { file.info($0)?.dtype == type })
    #expect(try file.bytes(of: "lm_head.weight") == weights.files[0].bytes(of: "lm_head.weight"))
    // Half the distance of neighbours below 8, and the little that float32 sums differ by.
    let bound = (type == .bfloat16 ? 0x1p-7 : 0x1p-10) * 1.001
    for entry in adapter.entries {
      let before = try weights.files[0].tensor("model.\(entry.site.path).weight").floats()
      let after = try file.tensor("model.\(entry.site.path).weight").floats()
      for at in after.indices {
        let exact = expected(before[at], entry, at / entry.site.inFeatures, at % entry.site.inFeatures)
        #expect(abs(Double(after[at]) - exact) <= bound * max(1, abs(exact)) / 2 + 1e-6)
      }
    }
    withExtendedLifetime(directory) {}
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let (directory, weights, geometry) = try checkpoint(
      GGUFAdapterTests.llama, .float16, prefix: "model.", extra: ["model.embed_tokens.weight": [30, 16]])
    let adapter = try adapter(geometry, ["q_proj"], scale: 1e6)
    #expect(throws: (any Error).self, "no norm, no lm_head") {
      try FoldedCheckpoint(weights, geometry: geometry, adapter: adapter, task: .languageModel)
    }
    let folded = try FoldedCheckpoint(weights, geometry: geometry, adapter: adapter, task: .asStored)
    let target = try TemporaryDirectory()
    let error = #expect(throws: FoldError.self) { try folded.write(to: target.path) }
    #expect(error?.description.contains("which F16 cannot hold") == true)
    let head = ExpandedAdapter(entries: [], head: ["classifier.weight": HeadTensor(shape: [2, 16], values: [])])
    #expect(throws: (any Error).self) {
      try FoldedCheckpoint(weights, geometry: geometry, adapter: head, task: .classifier(.unnamed(2)))
    }
    withExtendedLifetime(directory) {}
  }
}
