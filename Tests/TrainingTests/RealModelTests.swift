import Adapters
import Autograd
import Foundation
import Kernels
import Models
import StrictJSON
import Tasks
import Testing
import Tokenizers

@testable import Training

/// The real SmolLM2-135M against transformers.
@Suite(.enabled(if: RealModel.smolLM2.isThere, "SMOLLM2_DIR does not name the model's directory"))
struct RealLlamaTests {
  @Test func perplexityOfWikiText() throws { try RealModel.smolLM2.checkPerplexity() }
  @Test func greedyContinuations() throws { try RealModel.smolLM2.checkContinuations() }
  @Test func tokenIDs() throws { try RealModel.smolLM2.checkTokens() }
}

/// The real Gemma 3 270M against transformers.
@Suite(.enabled(if: RealModel.gemma3.isThere, "GEMMA_DIR does not name the model's directory"))
struct RealGemmaTests {
  @Test func perplexityOfWikiText() throws { try RealModel.gemma3.checkPerplexity() }
  @Test func greedyContinuations() throws { try RealModel.gemma3.checkContinuations() }
  @Test func tokenIDs() throws { try RealModel.gemma3.checkTokens() }
}

/// A model of `scripts/gguf_model.py`, whose directory a variable names, and what transformers makes of the same
/// float32 weights (`scripts/golden/real_models.py`).
private struct RealModel {
  static let smolLM2 = RealModel(variable: "SMOLLM2_DIR", golden: "smollm2.json")
  static let gemma3 = RealModel(variable: "GEMMA_DIR", golden: "gemma3-270m.json")

  let variable: String
  let golden: String

  private var path: String? { ProcessInfo.processInfo.environment[variable] }
  var isThere: Bool { path != nil }

  private func expected() throws -> JSONNode {
    try GoldenRun.json(GoldenRun.directory.appendingPathComponent(golden))
  }

  /// The first 512 tokens of WikiText-2's validation text, and 1,024: more than Gemma's window.
  func checkPerplexity() throws {
    let expected = try expected(), ids = try tokens(expected["ids"])
    let model = try LoadedModel(path: require(path))
    let engine = Engine(
      LanguageModelling(), model: .language(model.model), sites: model.sites, scale: 1, pool: WorkerPool(threads: 2))
    for (count, key) in [(512, "loss"), (1024, "long_loss")] {
      let result = engine.evaluate([EncodedDataset.Item(documents: [Array(ids.prefix(count))])], state: model.state)
      #expect(result.counts == [count - 1])
      #expect(abs(result.meanLoss - (try require(expected[key]?.number))) < 1e-4)
    }
  }

  func checkContinuations() throws {
    let expected = try expected(), model = try LoadedModel(path: require(path))
    let prompts = try require(expected["prompts"]?.array).map { try tokens($0) }
    let outputs = try require(expected["outputs"]?.array).map { try tokens($0) }
    var options = GenerationOptions()
    options.maxNewTokens = 64
    let ends = model.model.decoder.config.eosTokenIDs
    let generator = Generator(
      model: model.model, sites: model.sites, state: model.state, scale: 1, ends: ends, pool: WorkerPool(threads: 2))
    let found = generator.continuations(of: prompts, options)
    #expect(found.map(\.tokens) == outputs.map { Array($0.prefix { !ends.contains(Int($0)) }) })
  }

  func checkTokens() throws {
    let expected = try expected(), tokenizer = try Tokenizer(modelDirectory: require(path))
    let texts = try require(expected["texts"]?.array), ids = try require(expected["text_ids"]?.array)
    let decoded = try require(expected["decoded"]?.array)
    try #require(texts.count == ids.count && texts.count == decoded.count)
    for (text, (ids, decoded)) in zip(texts, zip(ids, decoded)) {
      let text = try require(text.string), ids = try tokens(ids)
      #expect(tokenizer.encode(text).ids == ids, "\(text)")
      #expect(tokenizer.decode(ids) == decoded.string, "\(text)")
    }
  }

  private func tokens(_ node: JSONNode?) throws -> [Int32] {
    try require(node?.array).map { Int32(try require($0.integer)) }
  }

  /// The model without adapters.
  private struct LoadedModel {
    let model: LanguageModel
    let sites: [Site]
    let state: TrainableState

    init(path: String) throws {
      let config = try ModelConfig(directory: path)
      model = try LanguageModel(path: path, config: config)
      sites = ModelGeometry(config).sites
      state = TrainableState(table: try .init(sites: [], method: .lora, r: 1), head: [])
    }
  }
}
