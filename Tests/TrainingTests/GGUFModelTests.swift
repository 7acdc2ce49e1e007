import Adapters
import Checkpoints
import Foundation
import Kernels
import Models
import Tasks
import Testing
import Tokenizers

@testable import Training

/// Models that are read from GGUF files: the same numbers as from the directories that hold them.
@Suite struct GGUFModelTests {
  static let models = [
    "decoders/llama-grouped", "decoders/llama-wide", "families/llama-linear", "families/llama-longrope",
    "families/qwen3", "families/gemma", "families/phi3", "families/phi3-partial",
  ]

  /// Written by our own writer, in float32.
  @Test(arguments: models) func lossIsThatOfTheDirectory(model: String) throws {
    let directory = GoldenRun.directory.appendingPathComponent(model).path
    try withFolder { folder in
      let path = "\(folder)/model.gguf"
      let written = try GGUFExport(directory: directory, type: .float32, hasTokenizer: false)
        .write(to: path, overwrite: false)
      #expect(written.allSatisfy { $0.error == 0 && $0.type == .float32 })
      let found = try losses(path), wanted = try losses(directory)
      // LLaMA 3's frequencies are stored as divisors, which rounds them.
      if model.hasSuffix("llama-wide") {
        #expect(found.count == wanted.count && zip(found, wanted).allSatisfy { abs($0 - $1) < 1e-5 })
      } else {
        #expect(found == wanted)
      }
      #expect(wanted.contains { $0 > 0 })
    }
  }

  /// Gemma 2 and 3 with the scale and the pattern of layers that the real models have.
  @Test(arguments: ["gemma2", "gemma3-text"]) func gemmasLaterGenerations(model: String) throws {
    try withFolder { folder in
      let directory = try copy("families/\(model)", to: folder) { config in
        config.replacing("\"query_pre_attn_scalar\": 10", with: "\"query_pre_attn_scalar\": 4")
          .replacing(/"layer_types": \[[^\]]*\]/, with: "\"layer_types\": null")
      }
      let path = "\(folder)/model.gguf"
      _ = try GGUFExport(directory: directory, type: .float32, hasTokenizer: false).write(to: path, overwrite: false)
      #expect(try losses(path) == losses(directory))
    }
  }

  @Test(arguments: [
    ("families/mistral", "a window of"), ("families/gemma2", "a factor of 0.31622776 on the scores of attention"),
    ("families/gemma3-text", "windows in other layers than the architecture gemma3 has them"),
    ("families/llama-dynamic", "rotary positions of the kind dynamic"),
  ])
  func whatAFileCannotSayIsRefused(model: String, what: String) throws {
    let directory = GoldenRun.directory.appendingPathComponent(model).path
    #expect {
      _ = try GGUFExport(directory: directory, type: .float32, hasTokenizer: false)
    } throws: {
      ($0 as? GGUFModelError)?.exitStatus == .badInput && "\($0)".contains("a GGUF file has no place for \(what)")
    }
  }

  @Test func otherFamiliesAreRefused() {
    let directory = GoldenRun.directory.appendingPathComponent("families/olmo2").path
    #expect {
      _ = try GGUFExport(directory: directory, type: .float32, hasTokenizer: false)
    } throws: {
      "\($0)".hasPrefix("models of the family olmo2 cannot be written as GGUF; supported: llama, mistral, qwen2,")
    }
  }

  static let types = ElementType.writable.filter(\.isQuantised)
  /// What quantising normally distributed numbers may do to them.
  static let errors: [ElementType: ClosedRange<Double>] = [
    .q8_0: 0.001...0.008, .q4_0: 0.05...0.12, .q4_1: 0.05...0.1, .q5_0: 0.03...0.06, .q5_1: 0.02...0.05,
    .q4_k: 0.04...0.09, .q5_k: 0.02...0.045, .q6_k: 0.008...0.025,
  ]

  /// A file of quantised weights trains like the directory of the float32 numbers that they stand for: resident and as
  /// stored, loss and gradients.
  @Test(arguments: types) func quantisedWeightsAreTheNumbersThatTheyStandFor(type: ElementType) throws {
    try withFolder { folder in
      let path = "\(folder)/model.gguf", source = try randomModel(in: folder)
      let written = try GGUFExport(directory: source, type: type, hasTokenizer: false).write(to: path, overwrite: false)
      let error = try #require(Self.errors[type])
      for tensor in written where tensor.type == type { #expect(error.contains(tensor.error), "\(tensor)") }
      #expect(written.count { $0.type == type } >= 14 && written.count { $0.type == .float32 } == 5)
      let directory = try dequantised(path, in: folder)
      let wanted = try gradients(directory, .resident)
      for holding in WeightHolding.allCases {
        let found = try gradients(path, holding)
        #expect(found.losses == wanted.losses && found.gradients == wanted.gradients, "\(holding)")
      }
      #expect(wanted.losses.contains { $0 > 0 } && wanted.gradients.contains { $0 != 0 })
    }
  }

  @Test(.enabled(if: Products.hasBFloat16), arguments: types) func inBFloat16(type: ElementType) throws {
    try withFolder { folder in
      let path = "\(folder)/model.gguf", source = try randomModel(in: folder)
      _ = try GGUFExport(directory: source, type: type, hasTokenizer: false).write(to: path, overwrite: false)
      let wanted = try gradients(dequantised(path, in: folder), .resident, .bfloat16)
      for holding in WeightHolding.allCases {
        let found = try gradients(path, holding, .bfloat16)
        #expect(found.losses == wanted.losses && found.gradients == wanted.gradients, "\(holding)")
      }
    }
  }

  @Test func wrongFilesAreRefused() throws {
    func problem(_ metadata: [(key: String, value: GGUFWriter.Value)], extra: [GGUFWriter.Tensor] = []) throws -> String
    {
      try withFolder { folder in
        let path = "\(folder)/m.gguf"
        let embedding = GGUFWriter.Tensor(name: "token_embd.weight", shape: [2, 4], [1, 2, 3, 4, 5, 6, 7, 8])
        try GGUFWriter.write(metadata: metadata, tensors: [embedding] + extra, to: path)
        do {
          _ = try ModelGeometry(ModelConfig(directory: path)).checkpoint(path)
          return "none"
        } catch {
          return "\(error)".replacing(path + ": ", with: "")
        }
      }
    }
    let whole: [(key: String, value: GGUFWriter.Value)] = [
      ("general.architecture", .string("llama")), ("llama.block_count", .uint32(1)),
      ("llama.context_length", .uint32(8)), ("llama.embedding_length", .uint32(4)),
      ("llama.feed_forward_length", .uint32(4)), ("llama.attention.head_count", .uint32(1)),
      ("llama.attention.layer_norm_rms_epsilon", .float(1e-5)),
    ]
    func replacing(_ key: String, _ value: GGUFWriter.Value?) -> [(key: String, value: GGUFWriter.Value)] {
      whole.filter { $0.key != key } + (value.map { [(key, $0)] } ?? [])
    }
    #expect(try problem(whole) == "none")
    #expect(
      try problem(replacing("general.architecture", .string("bert"))).hasPrefix(
        "\"general.architecture\": must be one of llama, qwen2, qwen3, gemma, gemma2, gemma3, phi3, not \"bert\""))
    #expect(
      try problem(replacing("general.architecture", nil)) == "the metadata lacks \"general.architecture\"")
    #expect(
      try problem(whole + [("general.type", .string("adapter"))])
        == "is of the type \"adapter\" (general.type), not a model")
    #expect(try problem(replacing("llama.block_count", nil)) == "the metadata lacks \"llama.block_count\"")
    #expect(
      try problem(replacing("llama.block_count", .string("1")))
        == "\"llama.block_count\": must be a whole number, not a text")
    #expect(
      try problem(replacing("llama.block_count", .uint32(0)))
        == "\"llama.block_count\": must be from 1 to 1024, not 0")
    #expect(
      try problem(replacing("llama.attention.head_count", .int32s([1, 2])))
        == "\"llama.attention.head_count\": must be the same number for every layer, not a list of different ones")
    #expect(
      try problem(whole + [("llama.expert_count", .uint32(8))])
        == "\"llama.expert_count\": must be 0, since mixtures of experts are not supported, not 8")
    #expect(
      try problem(whole + [("llama.rope.dimension_count", .uint32(2))]).hasPrefix(
        "\"llama.rope.dimension_count\": 0.5 is not supported"))
    #expect(
      try problem(whole, extra: [GGUFWriter.Tensor(name: "blk.0.ffn_gate_inp.weight", shape: [1], [1])])
        == "has a tensor that a model of the architecture llama has no use for: \"blk.0.ffn_gate_inp.weight\"")
  }

  @Test func missingAndMisshapenTensorsAreNamed() throws {
    try withFolder { folder in
      let path = "\(folder)/model.gguf", source = try randomModel(in: folder)
      _ = try GGUFExport(directory: source, type: .float32, hasTokenizer: false).write(to: path, overwrite: false)
      let file = try GGUFFile(path: path), geometry = ModelGeometry(try ModelConfig(directory: path))
      let weights = try geometry.checkpoint(path)
      #expect {
        _ = try weights.tensors([("layers.0.self_attn.q_proj.weight", [1, 2]), ("lm_head.weight", [96, 256])])
      } throws: {
        "\($0)" == """
          \(path): the checkpoint lacks the tensor "lm_head.weight", which the model needs
          \(path): tensor "blk.0.attn_q.weight" has the shape [256, 256], the model needs [1, 2]
          """
      }
      #expect(
        file.names.contains("blk.1.ffn_norm.weight")
          && weights.names.contains("layers.1.post_attention_layernorm.weight"))
    }
  }

  // MARK: - Models

  private func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder.path)
  }

  private func copy(_ model: String, to folder: String, _ change: (String) -> String) throws -> String {
    let source = GoldenRun.directory.appendingPathComponent(model).path, directory = "\(folder)/model"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      atPath: "\(source)/model.safetensors", toPath: "\(directory)/model.safetensors")
    let config = try String(contentsOfFile: "\(source)/config.json", encoding: .utf8)
    try change(config).write(toFile: "\(directory)/config.json", atomically: true, encoding: .utf8)
    return directory
  }

  private static let ids = (0..<40).map { Int32($0 * 7 % 90 + 2) }
  private var item: EncodedDataset.Item { EncodedDataset.Item(documents: [Self.ids]) }

  private func losses(_ path: String) throws -> [Double] {
    let config = try ModelConfig(directory: path), model = try LanguageModel(path: path, config: config)
    let engine = Engine(
      LanguageModelling(), model: .language(model), sites: ModelGeometry(config).sites, scale: 1,
      pool: WorkerPool(threads: 1))
    let state = TrainableState(table: try SiteTable(sites: [], method: .lora, r: 1), head: [])
    return engine.evaluate([item], state: state).losses
  }

  /// Two layers of LLaMA with heads that share keys, whose rows are whole blocks of every type.
  private func randomModel(in folder: String) throws -> String {
    let directory = "\(folder)/random",
      config = """
        {"model_type": "llama", "vocab_size": 96, "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2,
         "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
         "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2}
        """
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    try config.write(toFile: "\(directory)/config.json", atomically: true, encoding: .utf8)
    let geometry = ModelGeometry(try ModelConfig(directory: directory)), philox = Philox(seed: 11)
    let tensors = geometry.parts.flatMap(\.namedTensors).enumerated().map { number, part in
      let count = part.shape.reduce(1, *), isNorm = part.shape.count == 1
      let values = philox.normal(count, deviation: isNorm ? 0.1 : 0.05, stream: UInt64(number))
      return SafetensorsTensor(name: "model." + part.name, shape: part.shape, isNorm ? values.map { $0 + 1 } : values)
    }
    try SafetensorsWriter.write(tensors, to: "\(directory)/model.safetensors")
    return directory
  }

  /// The directory of the float32 numbers that a file stands for.
  private func dequantised(_ path: String, in folder: String) throws -> String {
    let directory = "\(folder)/dequantised"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: "\(folder)/random/config.json", toPath: "\(directory)/config.json")
    let geometry = ModelGeometry(try ModelConfig(directory: path)), weights = try geometry.checkpoint(path)
    let tensors = try geometry.parts.flatMap(\.namedTensors).map { name, shape in
      SafetensorsTensor(name: "model." + name, shape: shape, try weights.tensor(name, shape: shape).floats())
    }
    try SafetensorsWriter.write(tensors, to: "\(directory)/model.safetensors")
    return directory
  }

  private func gradients(
    _ path: String, _ holding: WeightHolding, _ precision: Precision = .float32
  ) throws -> (losses: [Double], gradients: [Float]) {
    let config = try ModelConfig(directory: path), geometry = ModelGeometry(config)
    let model = try LanguageModel(path: path, config: config, precision: precision, holding: holding)
    let table = try SiteTable(sites: geometry.sites, method: .lora, r: 4)
    var state = TrainableState(table: table, head: [])
    let philox = Philox(seed: 3)
    for (number, key) in table.tensors.enumerated() {
      state[key] = philox.normal(state[key].count, deviation: 0.05, stream: UInt64(number))
    }
    let engine = Engine(
      LanguageModelling(), model: .language(model), sites: geometry.sites, scale: 1, pool: WorkerPool(threads: 1),
      precision: precision)
    let storage = FloatStorage(zeros: state.parameterCount)
    let result = engine.gradients(of: [item, item], state: state, dropout: nil, into: storage)
    return (result.losses, Array(storage[0..<storage.count]))
  }
}
