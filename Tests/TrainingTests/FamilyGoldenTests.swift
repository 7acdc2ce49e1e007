import Adapters
import Foundation
import Kernels
import Models
import Testing

@testable import Training

/// Every family of scripts/golden/families.py against PyTorch + transformers + peft, on texts longer than its windows.
@Suite struct FamilyGoldenTests {
  static let decoders = [
    "qwen2", "qwen3", "mistral", "gemma", "gemma2", "gemma3-text", "gemma3", "phi3", "phi3-partial", "smollm3", "olmo2",
    "granite",
  ]
  /// Models that are there for the scaling of their rotary embedding.
  static let rotary = ["llama-linear", "llama-dynamic", "llama-yarn", "qwen2-yarn", "llama-llama3", "llama-longrope"]
  static let encoders = [
    "distilbert", "xlm-roberta", "camembert", "electra", "albert", "mpnet", "deberta-v2", "deberta-v3", "modernbert",
    "modernbert-mean",
  ]
  static let runs: [(model: String, run: String)] =
    rotary.map { ($0, "lora") }
    + (decoders + encoders).flatMap { model in
      ["lora", "share-a", "aslora"].map { (model, $0) }
    } + decoders.filter { $0 != "granite" }.map { ($0, "labels") }  // transformers has no classifier of Granite

  @Test(arguments: runs) func logitsLossAndGradients(model: String, run: String) throws {
    try golden(model, run).checkLogitsLossAndGradients()
  }

  @Test(arguments: runs) func thirtySteps(model: String, run: String) throws {
    try golden(model, run).checkThirtySteps()
  }

  /// The weights in bfloat16, computed with in float32.
  @Test(arguments: decoders + encoders) func bfloat16Weights(model: String) throws {
    try DecoderGoldenRun(
      model: model + "-bf16", run: "lora", startModel: model, in: DecoderGoldenRun.families
    ).checkLogitsAndLoss()
  }

  /// Training in bfloat16 goes the way of float32.
  @Test(.enabled(if: Products.hasBFloat16), arguments: decoders + encoders) func bfloat16Losses(model: String) throws {
    let golden = try golden(model)
    let (losses, _, _) = try golden.steps(golden.trainer(precision: .bfloat16))
    #expect(largestDifference(losses, golden.expected["losses"]?.numbers ?? []) < 0.05, "\(model)")
  }

  @Test(arguments: decoders + rotary + encoders) func otherTextsChangeNothing(model: String) throws {
    try golden(model).checkPacking()
  }

  /// Threads, and making activations again for the backward pass.
  @Test(arguments: decoders + rotary + encoders, Products.hasBFloat16 ? [Precision.float32, .bfloat16] : [.float32])
  func gradientsAreEqualInAllBits(model: String, precision: Precision) throws {
    let golden = try golden(model)
    let (first, losses) = try golden.gradients(threads: 1, precision: precision)
    for (threads, recomputes) in [(2, false), (1, true)] {
      let (other, result) = try golden.gradients(threads: threads, precision: precision, recomputes: recomputes)
      #expect(result.losses == losses.losses)
      #expect(other[0..<other.count] == first[0..<first.count], "\(model): \(threads), \(recomputes)")
    }
  }

  @Test(arguments: decoders + rotary, ["greedy", "beam"]) func continuations(model: String, setting: String) throws {
    try GenerationGolden(golden(model)).check(setting)
  }

  @Test(arguments: decoders + rotary, ["greedy", "beam"]) func theCacheChangesNothing(model: String, setting: String)
    throws
  {
    try GenerationGolden(golden(model)).checkCache(setting)
  }

  /// The config in the words of transformers 4: `rope_theta`, `rope_scaling`, patterns in place of `layer_types`.
  @Test(arguments: decoders + rotary + encoders.filter { $0.hasPrefix("modernbert") })
  func olderConfigsSayTheSame(model: String) throws {
    let new = try golden(model)
    let old = try DecoderGoldenRun(model: model, run: "lora", in: DecoderGoldenRun.families, config: "transformers-4")
    let results = try [new, old].map { try $0.engine().evaluate($0.data.items, state: try $0.state()) }
    #expect(results[0].losses == results[1].losses, "\(model)")
  }

  @Test func everyFamilyHasGoldenValues() throws {
    let tested = Set((Self.decoders + Self.rotary + Self.encoders).compactMap(Self.modelType))
    #expect(tested.union(["bert", "roberta", "gpt2", "llama"]) == Set(Architecture.all.map(\.modelType)))
  }

  private func golden(_ model: String, _ run: String = "lora") throws -> DecoderGoldenRun {
    try DecoderGoldenRun(model: model, run: run, in: DecoderGoldenRun.families)
  }

  private static func modelType(_ model: String) -> String? {
    let file = DecoderGoldenRun.families.appendingPathComponent("\(model)/config.json")
    return try? GoldenRun.json(file)["model_type"]?.string
  }
}
