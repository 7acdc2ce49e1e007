import Checkpoints
import Kernels
import Models
import StrictJSON
import Testing

@testable import Training

/// Every family's head for tokens against PyTorch + transformers + peft.
@Suite struct TokenGoldenTests {
  static let models = [
    "bert-tiny", "roberta-tiny", "gpt2-tiny", "llama-grouped", "distilbert", "xlm-roberta", "camembert", "electra",
    "albert", "mpnet", "deberta-v2", "deberta-v3", "deberta-conv", "modernbert", "modernbert-mean", "qwen2", "qwen3",
    "mistral", "gemma", "gemma2", "phi3", "phi3-partial", "smollm3",
  ]

  @Test(arguments: models) func logitsLossAndGradients(model: String) throws {
    let golden = try TokenGoldenRun(model), state = try golden.state()
    let (gradients, result) = try golden.gradients(threads: 2)
    #expect(abs(result.meanLoss - (try require(golden.expected["loss"]?.number))) < 1e-5, "\(model)")
    let rows = try require(golden.expected["logits"]?.array).flatMap(\.numbers)
    #expect(largestDifference(Array(result.logits.joined().prefix(rows.count)), rows) < 1e-4, "\(model)")
    #expect(state.parameterCount == golden.expected["trainable_parameters"]?.integer, "\(model)")
    let folder = TokenGoldenRun.directory.appendingPathComponent(model)
    let file = try SafetensorsFile(path: folder.appendingPathComponent("lora.gradients.safetensors").path)
    var named = golden.table.tensors.map { (golden.table.name(of: $0), state.reference($0)) }
    named += zip(state.head, state.headReferences).map { ($0.name, $1) }
    #expect(Set(named.map(\.0)) == Set(file.names), "\(model)")
    for (tensor, reference) in named {
      let expected = try file.tensor(tensor).floats()
      let largest = expected.map { Double(abs($0)) }.max() ?? 0
      let apart = largestDifference(gradients[try require(reference).range], expected.map(Double.init))
      #expect(apart / max(largest, 1e-6) < 1e-4, "\(model) \(tensor)")
    }
  }

  @Test(arguments: models) func thirtySteps(model: String) throws {
    let golden = try TokenGoldenRun(model), (losses, norms) = try golden.steps()
    #expect(losses.count == 30)
    #expect(largestDifference(losses, golden.expected["losses"]?.numbers ?? []) < 1e-4, "\(model)")
    #expect(largestDifference(norms, golden.expected["grad_norms"]?.numbers ?? []) < 2e-3, "\(model)")
  }

  /// Sentences have different numbers of words: the mean is over the words of all micro-batches together.
  @Test(arguments: ["bert-tiny", "llama-grouped"]) func accumulationAndThreadsChangeNoBit(model: String) throws {
    let golden = try TokenGoldenRun(model), whole = try golden.steps().losses
    #expect(try golden.steps(accumulation: 4).losses == whole)
    #expect(try golden.steps(threads: 2).losses == whole)
  }

  @Test(.enabled(if: Products.hasBFloat16), arguments: models) func bfloat16IsNear(model: String) throws {
    let golden = try TokenGoldenRun(model)
    let losses = try [Precision.float32, .bfloat16].map { try golden.gradients(precision: $0).result.meanLoss }
    #expect(abs(losses[0] - losses[1]) < 0.05, "\(model)")
  }

  /// A sentence's scores do not depend on those beside it.
  @Test(arguments: ["bert-tiny", "modernbert", "gpt2-tiny"]) func otherSentencesChangeNothing(model: String) throws {
    let golden = try TokenGoldenRun(model), state = try golden.state(), engine = try golden.engine(threads: 2)
    let together = engine.evaluate(golden.data.items, state: state)
    let alone = golden.data.items.flatMap { engine.evaluate([$0], state: state).logits }
    #expect(largestDifference(Array(together.logits.joined()), alone.joined().map(Double.init)) < 1e-4)
  }

  @Test func everyFamilyWithAHeadHasGoldenValues() throws {
    let tested = try Set(Self.models.map { try TokenGoldenRun($0).modelConfig.modelType })
    #expect(tested == Set(Architecture.all.filter { $0.tokenHead != nil }.map(\.modelType)))
    for model in Self.models {
      let golden = try TokenGoldenRun(model)
      #expect(golden.modelConfig.architecture.tokenHead?.className == golden.expected["class"]?.string)
    }
  }
}
