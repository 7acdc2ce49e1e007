import Adapters
import Checkpoints
import Testing

@testable import Models

/// Configs of the models that papers count parameters on; keys left out have transformers' defaults.
enum Configs {
  static let robertaBase =
    #"{"model_type": "roberta", "max_position_embeddings": 514, "type_vocab_size": 1}"#
  static let robertaLarge = """
    {"model_type": "roberta", "max_position_embeddings": 514, "type_vocab_size": 1, "hidden_size": 1024,
     "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
    """
  static let bertBase = #"{"model_type": "bert"}"#
  static let miniLM = """
    {"model_type": "bert", "hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536}
    """
  static let gpt2 = #"{"model_type": "gpt2"}"#
  static let gpt2Medium = #"{"model_type": "gpt2", "n_embd": 1024, "n_layer": 24, "n_head": 16}"#
  static let gpt2Large = #"{"model_type": "gpt2", "n_embd": 1280, "n_layer": 36, "n_head": 20}"#
  static let gpt2Narrow = #"{"model_type": "gpt2", "n_embd": 1024, "n_layer": 24, "n_head": 16, "n_inner": 512}"#
  static let llama7B = #"{"model_type": "llama"}"#
  static let llama13B = """
    {"model_type": "llama", "hidden_size": 5120, "num_hidden_layers": 40, "num_attention_heads": 40,
     "intermediate_size": 13824}
    """
  static let llama38B = """
    {"model_type": "llama", "intermediate_size": 14336, "num_key_value_heads": 8, "vocab_size": 128256}
    """
  static let llama321B = """
    {"model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
     "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256, "tie_word_embeddings": true}
    """
  static let llamaTiny = """
    {"model_type": "llama", "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3,
     "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "vocab_size": 1000,
     "tie_word_embeddings": true, "attention_bias": true, "mlp_bias": true}
    """

  static func geometry(_ json: String) throws -> ModelGeometry { ModelGeometry(try ModelConfig(json: json)) }
}

@Suite struct GeometryTests {
  /// Totals and heads as transformers 5.23 counts them on the meta device.
  @Test(arguments: [
    (Configs.robertaBase, 2, 124_647_170, 592_130), (Configs.robertaBase, 3, 124_647_939, 592_899),
    (Configs.robertaBase, 1, 124_646_401, 591_361), (Configs.robertaLarge, 2, 355_361_794, 1_051_650),
    (Configs.bertBase, 2, 109_483_778, 1_538), (Configs.bertBase, 3, 109_484_547, 2_307),
    (Configs.miniLM, 2, 22_713_986, 770), (Configs.miniLM, nil, 22_713_986, 770),
    (Configs.gpt2, nil, 124_439_808, 0), (Configs.gpt2Medium, nil, 354_823_168, 0),
    (Configs.gpt2Narrow, nil, 178_576_384, 0), (Configs.gpt2, 2, 124_441_344, 1_536),
    (Configs.llama7B, nil, 6_738_415_616, 0), (Configs.llama38B, nil, 8_030_261_248, 0),
    (Configs.llama321B, nil, 1_235_814_400, 0), (Configs.llamaTiny, nil, 232_448, 0),
    (Configs.llamaTiny, 3, 232_640, 192),
  ])
  func totalsEqualThoseOfTransformers(config: String, labels: Int?, total: Int, head: Int) throws {
    let geometry = try Configs.geometry(config)
    #expect(geometry.totalParameters(labels: labels) == total)
    #expect(geometry.headParameters(labels: labels) == head)
  }

  @Test func pathsAreThoseOfTransformers() throws {
    let bert = try Configs.geometry(Configs.bertBase)
    #expect(
      bert.sites.filter { $0.layer == 11 }.map(\.path) == [
        "encoder.layer.11.attention.self.query", "encoder.layer.11.attention.self.key",
        "encoder.layer.11.attention.self.value", "encoder.layer.11.attention.output.dense",
        "encoder.layer.11.intermediate.dense", "encoder.layer.11.output.dense",
      ])
    #expect(bert.sites.last?.path == "pooler.dense")
    #expect(try Configs.geometry(Configs.robertaBase).sites.count == 72)
    #expect(
      try Configs.geometry(Configs.gpt2).sites.prefix(7).map(\.path) == [
        "h.0.attn.c_attn", "h.0.attn.c_attn.q", "h.0.attn.c_attn.k", "h.0.attn.c_attn.v", "h.0.attn.c_proj",
        "h.0.mlp.c_fc", "h.0.mlp.c_proj",
      ])
    let value = try Configs.geometry(Configs.gpt2).sites[3]
    #expect(value.slice == Site.Slice(path: "h.0.attn.c_attn", firstRow: 1536) && value.outFeatures == 768)
    let keys = try Configs.geometry(Configs.llama38B).sites[1]
    #expect(keys.path == "layers.0.self_attn.k_proj")
    #expect((keys.inFeatures, keys.outFeatures, keys.isQueryKeyValue) == (4096, 1024, true))
  }
}

@Suite struct ParameterComparisonTests {
  static let linears = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

  /// The published and derived counts of design/papers.md.
  @Test(arguments: [
    (Configs.robertaBase, ["query", "value"], 8, [294_912, 159_744, 159_744, 24_576]),
    (Configs.robertaLarge, ["query", "value"], 8, [786_432, 409_600, 409_600, 32_768]),
    (Configs.gpt2Medium, ["c_attn.q", "c_attn.v"], 4, [393_216, 204_800, 204_800, 16_384]),
    (Configs.gpt2Large, ["c_attn.q", "c_attn.v"], 4, [737_280, 378_880, 378_880, 20_480]),
    (Configs.llama7B, linears, 64, [159_907_840, 89_309_184, 75_595_776, 4_997_120]),
    (Configs.llama13B, linears, 64, [250_347_520, 139_165_696, 117_440_512, 6_258_688]),
    (Configs.llama38B, ["q_proj", "v_proj"], 64, [27_262_976, 11_010_048, 17_104_896, 851_968]),
    (Configs.llama38B, ["q_proj", "v_proj"], 16, [6_815_744, 2_752_512, 4_276_224, 212_992]),
  ])
  func countsOfThePapers(config: String, targets: [String], rank: Int, counts: [Int]) throws {
    let comparison = try ParameterComparison(
      model: "m", geometry: Configs.geometry(config),
      placement: AdapterPlacement(TargetSelection(targets), r: rank, loraAlpha: 16),
      methods: [.lora, .shareA, .shareB, .shareAB])
    #expect(comparison.rows.map(\.adapterParameters) == counts)
  }

  @Test func shareAOnQKVOnlyOfLLaMA7B() throws {
    let comparison = try ParameterComparison(
      model: "m", geometry: Configs.geometry(Configs.llama7B),
      placement: AdapterPlacement(TargetSelection(["all-linear"]), r: 64, loraAlpha: 16),
      methods: [.shareAQKV])
    #expect(comparison.rows.map(\.adapterParameters) == [135_528_448])
  }

  @Test func asloraAfterEveryNumberOfMerges() throws {
    let counts = try (0...11).map { merges in
      try ParameterComparison(
        model: "m", geometry: Configs.geometry(Configs.robertaBase),
        placement: AdapterPlacement(TargetSelection(["query", "value"]), r: 8, loraAlpha: 16),
        numMerges: merges, methods: [.aslora]
      ).rows[0].adapterParameters
    }
    #expect(
      counts == [
        159_744, 147_456, 135_168, 122_880, 110_592, 98_304, 86_016, 73_728, 61_440, 49_152, 36_864, 24_576,
      ])
    #expect(throws: AdapterError.tooManyMerges(numMerges: 12, layers: 12)) {
      try ParameterComparison(
        model: "m", geometry: Configs.geometry(Configs.robertaBase),
        placement: AdapterPlacement(TargetSelection(["query"]), r: 8, loraAlpha: 16), numMerges: 12)
    }
  }

  @Test func wholeTableOfRobertaBase() throws {
    let comparison = try ParameterComparison(
      model: "models/roberta-base", geometry: Configs.geometry(Configs.robertaBase),
      placement: AdapterPlacement(TargetSelection(["query", "value"]), r: 8, loraAlpha: 16), labels: 2,
      methods: AdapterMethod.all.filter { $0.form == nil && $0.declaredOptions.isEmpty })
    #expect(
      comparison.text(.table) == """
        models/roberta-base (roberta, 124,647,170 parameters), r = 8, target modules: query, value

        strategy      adapter  trainable  % of lora      bytes
        lora          294,912    887,042      100.0  1,179,648
        share-a       159,744    751,874       54.2    638,976
        share-b       159,744    751,874       54.2    638,976
        share-ab       24,576    616,706        8.3     98,304
        share-a-qkv   159,744    751,874       54.2    638,976
        share-b-qkv   159,744    751,874       54.2    638,976
        share-ab-qkv   24,576    616,706        8.3     98,304
        aslora         73,728    665,858       25.0    294,912
        none                0    592,130        0.0          0

        aslora: after 7 merges of each module type; 159,744 before

        """)
    #expect(comparison.text(.csv).split(separator: "\n")[8] == "aslora,73728,665858,25.0,294912,159744")
    #expect(comparison.text(.markdown).contains("| aslora | 73,728 | 665,858 | 25.0 | 294,912 |\n"))
    guard case .object(let object) = comparison.json else {
      Issue.record("not an object")
      return
    }
    #expect(
      object.keys == ["model", "model_type", "total_parameters", "r", "target_modules", "strategies"])
    let aslora = object["strategies"]?.array?[7]
    #expect(aslora?["adapter_parameters"]?.integer == 73_728)
    #expect(aslora?["adapter_parameters_before_merging"]?.integer == 159_744)
    #expect(aslora?["percent_of_lora"]?.number == 25 && aslora?["adapter_bytes"]?.integer == 294_912)
  }

  @Test func aPoolerHasOneLayerAndIsNotMerged() throws {
    let geometry = try Configs.geometry(Configs.miniLM)
    let comparison = try ParameterComparison(
      model: "m", geometry: geometry,
      placement: AdapterPlacement(TargetSelection(["query", "pooler.dense"]), r: 4, loraAlpha: 16), numMerges: 5,
      methods: [.aslora])
    #expect(comparison.rows[0].adapterParameters == 4 * 384 * 2 + 4 * 384 * 2)
  }
}
