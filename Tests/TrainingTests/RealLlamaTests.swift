import Adapters
import Autograd
import Checkpoints
import Foundation
import Kernels
import Models
import StrictJSON
import Testing

@testable import Training

/// Where the real SmolLM2-135M is, if it is.
private let realLlama = ProcessInfo.processInfo.environment["SMOLLM2_DIR"]

/// The real SmolLM2-135M against transformers, where SMOLLM2_DIR names its directory.
@Suite(.enabled(if: realLlama != nil)) struct RealLlamaTests {

  @Test func perplexityOfWikiText() throws {
    let golden = try Golden()
    let result = golden.engine.evaluate([EncodedDataset.Item(documents: [golden.ids])], state: golden.state)
    #expect(result.counts == [511])
    #expect(abs(result.meanLoss - (try require(golden.json["loss"]?.number))) < 1e-4)
    #expect(abs(exp(result.meanLoss) / 15.66 - 1) < 0.005)
  }

  @Test func greedyContinuations() throws {
    let golden = try Golden()
    let prompts = try require(golden.json["prompts"]?.array).map(Golden.tokens)
    let expected = try require(golden.json["outputs"]?.array).map(Golden.tokens)
    var options = GenerationOptions()
    options.maxNewTokens = 64
    let ends = golden.model.decoder.config.eosTokenIDs
    let generator = Generator(
      model: golden.model, sites: ModelGeometry(golden.model.decoder.config).sites, state: golden.state, scale: 1,
      ends: ends, pool: WorkerPool(threads: 2))
    let found = generator.continuations(of: prompts, options)
    #expect(found.map(\.tokens) == expected.map { Array($0.prefix { !ends.contains(Int($0)) }) })
  }

  private struct Golden {
    let json: JSONNode
    let ids: [Int32]
    let model: LanguageModel
    let state: TrainableState
    let engine: LanguageEngine

    init() throws {
      json = try GoldenRun.json(GoldenRun.directory.appendingPathComponent("smollm2.json"))
      ids = Self.tokens(try require(json["ids"]))
      let path = try require(realLlama)
      let config = try ModelConfig(directory: path)
      model = try LanguageModel(path: path, config: config)
      state = TrainableState(
        table: try .init(sites: [], method: .lora, r: 1), head: [])
      engine = LanguageEngine(
        model: model, sites: ModelGeometry(config).sites, scale: 1, loraDropout: 0, pool: WorkerPool(threads: 2))
    }

    static func tokens(_ node: JSONNode) -> [Int32] { node.array?.compactMap { $0.integer.map(Int32.init) } ?? [] }
  }
}
