import Adapters
import Autograd
import Checkpoints
import Foundation
import Kernels
import Models
import StrictJSON
import Testing

@testable import Training

/// GPT-2 and LLaMA against PyTorch + transformers + peft.
@Suite struct DecoderGoldenTests {
  static let runs: [(model: String, run: String)] =
    ["gpt2-tiny", "gpt2-untied", "llama-grouped", "llama-wide", "llama-linear"].map { ($0, "lora-all") }
    + ["gpt2-tiny", "llama-grouped"].flatMap { model in
      ["lora", "share-a", "share-ab", "aslora", "smoothed", "uneven", "labels"].map { (model, $0) }
    }

  @Test(arguments: runs) func logitsLossAndGradients(model: String, run: String) throws {
    let golden = try DecoderGoldenRun(model: model, run: run)
    let state = try golden.state(), gradients = FloatStorage(zeros: state.parameterCount)
    let result = try golden.engine(threads: 2).gradients(
      of: Array(golden.data.items.prefix(8)), state: state, dropout: nil, into: gradients)
    #expect(abs(result.meanLoss - (try require(golden.expected["loss"]?.number))) < 1e-5)
    let logits = try require(golden.expected["logits"]?.array).flatMap(\.numbers)
    if golden.labels == nil {
      #expect(largestDifference(Array(try golden.firstLogits().prefix(logits.count)), logits) < 1e-4)
    } else {
      #expect(largestDifference(result.logits.flatMap { $0 }, logits) < 1e-4)
    }
    #expect(state.parameterCount == golden.expected["trainable_parameters"]?.integer)

    let file = try SafetensorsFile(path: golden.gradients)
    var named = golden.table.tensors.map { (golden.table.name(of: $0), state.reference($0)) }
    named += zip(state.head, state.headReferences).map { ($0.name, $1) }
    #expect(Set(named.map(\.0)) == Set(file.names))
    for (name, reference) in named {
      let expected = try file.tensor(name).floats()
      let largest = expected.map { Double(abs($0)) }.max() ?? 0
      let apart = largestDifference(gradients[try require(reference).range], expected.map(Double.init))
      #expect(apart / max(largest, 1e-6) < 1e-4, "\(golden.name) \(name)")
    }
  }

  @Test(arguments: runs) func thirtySteps(model: String, run: String) throws {
    let golden = try DecoderGoldenRun(model: model, run: run)
    var trainer = try golden.trainer(), losses: [Double] = [], norms: [Double] = [], merges: [GroupMerge] = []
    _ = try trainer.run { event in
      switch event {
      case .step(let report):
        losses.append(report.loss)
        norms.append(report.gradientNorm)
      case .merged(let event): merges.append(event)
      default: break
      }
    }
    #expect(losses.count == 30)
    #expect(largestDifference(losses, golden.expected["losses"]?.numbers ?? []) < 1e-4)
    #expect(largestDifference(norms, golden.expected["grad_norms"]?.numbers ?? []) < 2e-3)
    let expected = golden.expected["merges"]?.array ?? []
    #expect(merges.map(\.step) == expected.compactMap { $0["step"]?.integer })
    #expect(merges.map(\.module) == expected.compactMap { $0["module"]?.string })
  }

  /// An adapter that peft saved holds the tensors that the run starts with.
  @Test(arguments: ["gpt2-tiny", "llama-grouped"]) func adaptersOfPEFT(model: String) throws {
    let golden = try DecoderGoldenRun(model: model, run: "lora-all")
    let adapter = try PEFTAdapter.read(
      golden.path + "/peft", geometry: golden.geometry
    ).expanded.uniform()
    let state = try golden.state()
    #expect(adapter.scale == golden.scale)
    #expect(adapter.table.sites.map(\.path) == golden.table.sites.map(\.path))
    for key in golden.table.tensors { #expect(adapter.tensors[key] == state[key], "\(key)") }
  }

  /// The weights in bfloat16, computed with in float32.
  @Test(arguments: ["gpt2-tiny", "llama-grouped"]) func bfloat16Weights(model: String) throws {
    let golden = try DecoderGoldenRun(model: model + "-bf16", run: "lora-all", startModel: model)
    let logits = try require(golden.expected["logits"]?.array).flatMap(\.numbers)
    #expect(largestDifference(Array(try golden.firstLogits().prefix(logits.count)), logits) < 1e-4)
    let result = try golden.engine().evaluate(Array(golden.data.items.prefix(8)), state: try golden.state())
    #expect(abs(result.meanLoss - (try require(golden.expected["loss"]?.number))) < 1e-5)
  }

  /// Threads, and other documents beside one, change nothing.
  @Test(arguments: ["gpt2-tiny", "llama-grouped"]) func theResultIsOneOfEachDocumentAlone(model: String) throws {
    let golden = try DecoderGoldenRun(model: model, run: "lora-all")
    let state = try golden.state(), engine = try golden.engine(threads: 2)
    let documents = golden.data.items.map(\.ids)
    let packed = EncodedDataset.Item(documents: documents)
    let alone = engine.evaluate(documents.map { EncodedDataset.Item(documents: [$0]) }, state: state)
    let together = engine.evaluate([packed], state: state)
    #expect(together.counts == [alone.counts.reduce(0, +)])
    #expect(abs(together.meanLoss - alone.meanLoss) < 1e-6)
    let one = try golden.engine(threads: 1).evaluate(golden.data.items, state: state)
    let two = try golden.engine(threads: 2).evaluate(golden.data.items, state: state)
    #expect(one.losses == two.losses)
  }

  private func largestDifference(_ ours: [Float], _ expected: [Double]) -> Double {
    largestDifference(ours.map(Double.init), expected)
  }

  private func largestDifference(_ ours: [Double], _ expected: [Double]) -> Double {
    guard ours.count == expected.count, !expected.isEmpty else { return .infinity }
    return zip(ours, expected).map { abs($0 - $1) }.max() ?? .infinity
  }
}
