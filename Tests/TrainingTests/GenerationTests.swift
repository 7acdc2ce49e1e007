import Adapters
import Checkpoints
import Foundation
import Kernels
import Models
import StrictJSON
import Testing
import Tokenizers

@testable import Training

/// Continuations against transformers' `generate` (scripts/golden/decoders.py).
@Suite struct GenerationTests {
  static let models = ["gpt2-tiny", "gpt2-untied", "llama-grouped", "llama-wide", "llama-linear"]

  @Test(arguments: models, ["greedy", "repetition", "ngram", "beam", "beam-ends", "beam-early", "beam-e2e"])
  func tokensAreThoseOfTransformers(model: String, setting: String) throws {
    try golden(model).check(setting)
  }

  @Test(arguments: models, ["greedy", "sampling", "beam"]) func theCacheChangesNothing(model: String, setting: String)
    throws
  {
    try golden(model).checkCache(setting)
  }

  private func golden(_ model: String) throws -> GenerationGolden {
    try GenerationGolden(DecoderGoldenRun(model: model, run: "lora-all"))
  }

  @Test func drawingDependsOnTheSeedAlone() throws {
    let golden = try golden("llama-grouped")
    var options = try golden.options("sampling")
    let together = try golden.generator(threads: 2).continuations(of: golden.prompts, options)
    for (number, prompt) in golden.prompts.enumerated() {
      var streamed: [Int32] = []
      let alone = try golden.generator().stream(prompt, number: number, options) { token in
        streamed.append(token)
        return true
      }
      #expect(alone == together[number])
      #expect(alone.tokens == streamed)
    }
    options.seed += 1
    #expect(try golden.generator().continuations(of: golden.prompts, options) != together)
    options.topK = 1
    let likeliest = try golden.generator().continuations(of: golden.prompts, options)
    #expect(try golden.generator().continuations(of: golden.prompts, golden.options("greedy")) == likeliest)
    (options.topK, options.topP) = (0, 1e-6)
    #expect(try golden.generator().continuations(of: golden.prompts, options) == likeliest)
  }

  /// A text that goes on with what was read last is the same as one that is read anew.
  @Test(arguments: ["gpt2-tiny", "llama-linear"]) func memoryChangesNothing(model: String) throws {
    let golden = try golden(model), memory = GenerationMemory()
    var options = try golden.options("greedy")
    options.maxNewTokens = 6
    var text = golden.prompts[0]
    for more in [[7, 8, 9], [20], [11, 12]] as [[Int32]] {
      let alone = try golden.generator().stream(text, options) { _ in true }
      let reused = memory.reusable(for: text) != nil
      #expect(reused == (text.count > golden.prompts[0].count))
      #expect(try golden.generator().stream(text, options, memory: memory) { _ in true } == alone)
      text += alone.tokens + more
    }
    // Another text starts anew.
    let other = golden.prompts[1]
    #expect(memory.reusable(for: other) == nil)
    let alone = try golden.generator().stream(other, options) { _ in true }
    #expect(try golden.generator().stream(other, options, memory: memory) { _ in true } == alone)
  }

  /// A prompt is read as in training; the tokens after it are as close as float32 is to that.
  @Test(.enabled(if: Products.hasBFloat16), arguments: ["gpt2-tiny", "llama-grouped"])
  func promptsAreReadInTheRunsPrecision(model: String) throws {
    let golden = try golden(model), run = golden.run, prompt = golden.prompts[0]
    let model = try LanguageModel(path: run.path, config: run.modelConfig, precision: .bfloat16)
    let state = TrainableState(table: run.table, head: [])
    let adapters = state.adapters(sites: run.geometry.sites, scale: 1, dropout: 0)
    func logits(_ precision: RunPrecision, usesCache: Bool) -> (first: [Float], second: [Float]) {
      let session = DecodingSession(
        model: model, adapters: adapters, parameters: state.values, precision: precision, workspace: Workspace(),
        sequences: 1, usesCache: usesCache)
      let text = prompt + [7]
      return (
        session.logits(fresh: [prompt], texts: [prompt])[0], session.logits(fresh: [[7]], texts: [text])[0]
      )
    }
    let cached = logits(.bfloat16, usesCache: true), whole = logits(.bfloat16, usesCache: false)
    #expect(cached.first == whole.first && cached.first != logits(.float32, usesCache: true).first)
    let largest = whole.second.map(abs).max() ?? 0
    #expect(zip(cached.second, whole.second).allSatisfy { abs($0 - $1) < 3e-2 * largest })
  }

  @Test func itEndsWhereThePositionsEnd() throws {
    let golden = try golden("gpt2-tiny")
    var options = try golden.options("greedy")
    options.maxNewTokens = 500
    let prompt = (0..<60).map { Int32(2 + $0) }
    let found = try golden.generator().continuations(of: [prompt, Array(prompt.prefix(4))], options)
    #expect(found[0].tokens.count <= 4)
    #expect(found[1].tokens.count <= 60)
    var count = 0
    let stopped = try golden.generator().stream(prompt, options) { _ in
      count += 1
      return count < 2
    }
    #expect(stopped.tokens.count == min(2, found[0].tokens.count))
  }

  /// Draws follow the probabilities.
  @Test func sampledFrequencies() {
    var options = GenerationOptions()
    options.samples = true
    let rules = TokenSampler(options: options), scores: [Float] = [0, 1, -1, 2]
    let sum = scores.reduce(0.0) { $0 + Double(expf($1)) }
    var counts = [0, 0, 0, 0]
    for step in 0..<20_000 { counts[Int(rules.choose(scores, stream: 1, step: step))] += 1 }
    for (count, score) in zip(counts, scores) {
      #expect(abs(Double(count) / 20_000 - Double(expf(score)) / sum) < 0.01)
    }
    options.topP = 0.6
    options.topK = 3
    let some = TokenSampler(options: options)
    #expect(Set((0..<500).map { some.choose(scores, stream: 1, step: $0) }) == [3])
    options.topP = 0.7
    let more = TokenSampler(options: options)
    #expect(Set((0..<500).map { more.choose(scores, stream: 1, step: $0) }) == [1, 3])
  }
}

/// Continuations by transformers, and a generator of the same model.
struct GenerationGolden {
  let json: JSONNode
  let prompts: [[Int32]]
  let run: DecoderGoldenRun

  init(_ run: DecoderGoldenRun) throws {
    self.run = run
    json = try GoldenRun.json(URL(fileURLWithPath: run.path).appendingPathComponent("generation.json"))
    prompts = try require(json["prompts"]?.array).map(Self.tokens)
  }

  static func tokens(_ node: JSONNode) -> [Int32] { node.array?.compactMap { $0.integer.map(Int32.init) } ?? [] }

  /// A generator without the run's adapter.
  func generator(threads: Int = 1, ends: Set<Int32> = [0]) throws -> Generator {
    Generator(
      model: try LanguageModel(path: run.path, config: run.modelConfig), sites: run.geometry.sites,
      state: TrainableState(table: run.table, head: []), scale: 1, ends: ends.map(Int.init),
      tokenizer: try? Tokenizer(modelDirectory: run.path), pool: WorkerPool(threads: threads))
  }

  func options(_ name: String) throws -> GenerationOptions {
    var options = GenerationOptions()
    options.maxNewTokens = json["max_new_tokens"]?.integer ?? 24
    if name == "sampling" {
      options.samples = true
      options.temperature = 0.9
      options.topK = 50
      options.topP = 0.95
      return options
    }
    let settings = try require(json["settings"]?[name])
    options.repetitionPenalty = settings["repetition_penalty"]?.number ?? 1
    options.noRepeatNGramSize = settings["no_repeat_ngram_size"]?.integer ?? 0
    options.beams = settings["num_beams"]?.integer ?? 1
    options.lengthPenalty = settings["length_penalty"]?.number ?? 1
    options.earlyStopping = settings["early_stopping"]?.bool == true ? .full : .heuristic
    return options
  }

  /// transformers' continuations, with and without its cache and with either number of threads, are ours.
  func check(_ setting: String) throws {
    let options = try options(setting)
    let expected = try require(json["outputs"]?[setting]?.array).map(Self.tokens)
    let ends = Set(json["settings"]?[setting]?["eos_token_id"].map(Self.tokens) ?? [0])
    for threads in [1, 2] {
      let found = try generator(threads: threads, ends: ends).continuations(of: prompts, options)
      #expect(found.map(\.tokens) == expected.map { Array($0.prefix { !ends.contains($0) }) }, "\(run.name)")
      #expect(found.map(\.end) == expected.map { $0.last.map(ends.contains) ?? false ? .endOfText : .length })
    }
  }

  /// The cache changes nothing; where it does in transformers, as the angles of cached keys are those of a shorter text,
  /// the continuations without it are also transformers'.
  func checkCache(_ setting: String) throws {
    var options = try options(setting)
    let cached = try generator().continuations(of: prompts, options)
    options.usesCache = false
    let without = try generator().continuations(of: prompts, options)
    if let expected = json["outputs"]?["\(setting)-without-cache"]?.array?.map(Self.tokens) {
      #expect(without.map(\.tokens) == expected.map { Array($0.prefix { $0 != 0 }) }, "\(run.name)")
    } else {
      #expect(without == cached, "\(run.name)")
    }
  }
}
