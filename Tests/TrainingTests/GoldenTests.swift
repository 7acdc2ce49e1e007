import Adapters
import Autograd
import Checkpoints
import Foundation
import Kernels
import StrictJSON
import Testing

@testable import Training

/// Our numbers against PyTorch + transformers + peft, for both encoder families and every strategy.
@Suite struct GoldenTests {
  static let models = ["bert-tiny", "roberta-tiny"]
  static let strategies = [
    "lora", "share-a", "share-b", "share-ab", "share-a-qkv", "share-b-qkv", "share-ab-qkv", "aslora", "none",
  ]
  static let gradientRuns = strategies + ["lora-3-labels", "lora-regression"]
  static let trainingRuns = gradientRuns + ["lora-accumulated", "lora-uneven", "lora-rslora", "aslora-all"]

  @Test(arguments: models, gradientRuns)
  func logitsLossAndGradients(model: String, run: String) throws {
    let golden = try GoldenRun(model: model, run: run)
    let state = try golden.state()
    let gradients = FloatStorage(zeros: state.parameterCount)
    let items = Array(golden.data.items.prefix(8))
    let result = golden.engine().gradients(of: items, state: state, dropout: nil, into: gradients)

    let logits = try require(golden.expected["logits"]?.array).map(\.numbers)
    #expect(largestDifference(result.logits.flatMap { $0 }, logits.flatMap { $0 }) < 1e-4)
    #expect(abs(result.losses.reduce(0, +) / 8 - (try require(golden.expected["loss"]?.number))) < 1e-5)
    #expect(golden.table.parameterCount == golden.expected["adapter_parameters"]?.integer)
    #expect(state.parameterCount == golden.expected["trainable_parameters"]?.integer)

    let file = try SafetensorsFile(path: golden.gradients)
    var named = golden.table.tensors.map { (golden.table.name(of: $0), state.reference($0)) }
    named += zip(state.head, state.headReferences).map { ($0.name, $1) }
    #expect(Set(named.map(\.0)) == Set(file.names))
    for (name, reference) in named {
      let expected = try file.tensor(name).floats()
      let ours = gradients[try require(reference).range]
      #expect(relativeDifference(ours, expected) < 1e-4, "\(golden.name) \(name)")
    }
  }

  @Test(arguments: models, trainingRuns)
  func thirtySteps(model: String, run: String) throws {
    let golden = try GoldenRun(model: model, run: run)
    var trainer = try golden.trainer()
    var losses: [Double] = [], norms: [Double] = [], rates: [Double] = [], merges: [GroupMerge] = []
    _ = try trainer.run { event in
      switch event {
      case .step(let report):
        losses.append(report.loss)
        norms.append(report.gradientNorm)
        rates.append(report.learningRate)
      case .merged(let event): merges.append(event)
      default: break
      }
    }
    #expect(losses.count == 30)
    #expect(largestDifference(losses, golden.expected["losses"]?.numbers ?? []) < 1e-4)
    #expect(largestDifference(norms, golden.expected["grad_norms"]?.numbers ?? []) < 2e-3)
    #expect(largestDifference(rates, golden.expected["learning_rates"]?.numbers ?? []) < 1e-12)

    let expectedMerges = golden.expected["merges"]?.array ?? []
    #expect(merges.count == expectedMerges.count)
    for (ours, expected) in zip(merges, expectedMerges) {
      #expect(ours.step == expected["step"]?.integer)
      #expect(ours.module == expected["module"]?.string)
      #expect(ours.lowerLayer == expected["lower_layers"]?.array?.compactMap(\.integer).max())
      #expect(ours.upperLayer == expected["upper_layers"]?.array?.compactMap(\.integer).max())
      #expect(ours.groupsLeft == expected["groups_left"]?.integer)
      #expect(abs(ours.distance - (expected["distance"]?.number ?? .nan)) < 1e-4)
    }
    if let parameters = golden.expected["adapter_parameters_at_end"]?.integer {
      #expect(trainer.state.table.parameterCount == parameters)
    }
    if FileManager.default.fileExists(atPath: golden.final) {
      let file = try SafetensorsFile(path: golden.final)
      let table = trainer.state.table
      #expect(Set(table.tensors.map(table.name)).isSubset(of: file.names))
      for key in table.tensors {
        let expected = try file.tensor(table.name(of: key)).floats()
        #expect(largestDifference(trainer.state[key], expected.map(Double.init)) < 1e-4, "\(key)")
      }
    }
  }

  @Test(arguments: ["bert-tiny-bf16", "bert-tiny-f16", "bert-tiny-sharded"])
  func otherCheckpointFormats(checkpoint: String) throws {
    let golden = try GoldenRun(model: "bert-tiny", run: "none", checkpoint: checkpoint)
    let forward = try GoldenRun.json(GoldenRun.directory.appendingPathComponent("forward.json"))
    let expected = try require(forward["checkpoint"]?[checkpoint]?.array).flatMap(\.numbers)
    let result = golden.engine().evaluate(Array(golden.data.items.prefix(8)), state: try golden.state())
    #expect(largestDifference(result.logits.flatMap { $0 }, expected) < 1e-4)
  }
}
