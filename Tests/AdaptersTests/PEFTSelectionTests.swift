import Checkpoints
import Foundation
import Kernels
import Models
import StrictJSON
import Testing

@testable import Adapters

/// What peft adapts under many configs, with rank and scale: written by scripts/golden/peft_selection.py.
@Suite struct PEFTSelectionTests {
  private static let cases = Result {
    try JSONField(
      file: URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Golden/peft-selection.json"
    ).elements()
  }

  private static let configs = [
    "bert":
      #"{"model_type":"bert","hidden_size":8,"num_hidden_layers":2,"num_attention_heads":2,"intermediate_size":16}"#,
    "llama": #"""
    {"model_type":"llama","hidden_size":8,"num_hidden_layers":12,"num_attention_heads":2,"num_key_value_heads":1,
    "intermediate_size":16}
    """#,
    "gpt2": #"{"model_type":"gpt2","n_embd":8,"n_layer":3,"n_head":2}"#,
  ]

  private func geometry(_ family: String) throws -> ModelGeometry {
    ModelGeometry(try ModelConfig(json: try #require(Self.configs[family])))
  }

  @Test func adaptersChooseAsPEFTDoes() throws {
    let cases = try Self.cases.get()
    #expect(cases.count == 24)
    for (number, example) in cases.enumerated() {
      let geometry = try geometry(example.member("family").string())
      let directory = try TemporaryDirectory(), file = "\(directory.path)/adapter_config.json"
      try AtomicFile.write(JSONWriter.text(example.member("config").node.value, pretty: true), to: file)
      let config = try PEFTConfig(file: file, methods: [])
      let paths = geometry.sites.filter { $0.slice == nil }.map { "\(geometry.basePrefix).\($0.path)" }
      let expected = try example.member("chosen").object()
      #expect(paths.filter(config.chooses) == paths.filter { expected[$0] != nil }, "case \(number)")
      for path in paths.filter(config.chooses) {
        let right = try #require(expected[path]?.array).map { $0.number }, rank = try config.rank(of: path)
        let scale = loraScale(alpha: try config.alpha(of: path), rank: rank, useRSLoRA: config.useRSLoRA)
        #expect([Double(rank), scale] == right, "case \(number): \(path)")
      }
    }
  }

  /// The same choices by a config of ours.
  @Test func placementsChooseAsPEFTDoes() throws {
    for (number, example) in try Self.cases.get().enumerated() {
      let geometry = try geometry(example.member("family").string()), options = try example.member("options")
      func texts(_ key: String) throws -> TargetModules? { try options.optional(key).map(TargetModules.init) }
      var selection = TargetSelection(try #require(try texts("target_modules")))
      selection.excluded = try texts("exclude_modules")
      selection.layers = try options.optional("layers_to_transform").map {
        try $0.node.integer.map { [$0] } ?? $0.elements().map { try $0.integer() }
      }
      selection.layersPattern =
        try options.optional("layers_pattern").map {
          try $0.node.string.map { [$0] } ?? $0.strings()
        } ?? []
      var placement = AdapterPlacement(
        selection, r: 4, loraAlpha: 8, useRSLoRA: try options.optional("use_rslora")?.bool() ?? false)
      placement.rankPattern =
        try options.optional("rank_pattern")?.members().map {
          ModuleValue($0, try $1.integer())
        } ?? []
      placement.alphaPattern =
        try options.optional("alpha_pattern")?.members().map {
          ModuleValue($0, try $1.number())
        } ?? []
      let expected = try example.member("chosen").object()
      let sites: [Site]
      do {
        sites = try placement.sites(of: geometry)
      } catch AdapterError.unmatchedExclusion("self_attn") {
        // PEFT takes what excludes nothing for a remark.
        continue
      }
      #expect(
        Set(sites.map { "\(geometry.basePrefix).\($0.path)" }) == Set(expected.keys), "case \(number)")
      // A rank above a map's width is PEFT's alone; a pattern that is never reached is not.
      guard let table = try? placement.table(geometry, method: .lora) else {
        #expect(options.node["rank_pattern"] != nil, "case \(number)")
        continue
      }
      for (position, site) in table.sites.enumerated() {
        let right = try #require(expected["\(geometry.basePrefix).\(site.path)"]?.array)
        #expect(table.ranks[position] == right[0].integer, "case \(number): \(site.path)")
        #expect((table.scales[position] ?? table.scale) == right[1].number, "case \(number): \(site.path)")
      }
    }
  }
}
