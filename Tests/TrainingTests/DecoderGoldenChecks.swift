import Adapters
import Checkpoints
import Kernels
import StrictJSON
import Tasks
import Testing

@testable import Training

extension DecoderGoldenRun {
  /// The logits that stand in the golden file, and the mean loss of the first batch.
  func checkLogitsAndLoss() throws {
    try check(engine().evaluate(Array(data.items.prefix(8)), state: state()))
  }

  private func check(_ result: BatchResult) throws {
    #expect(abs(result.meanLoss - (try require(expected["loss"]?.number))) < 1e-5, "\(name)")
    let rows = try require(expected["logits"]?.array).map(\.numbers)
    if labels != nil {
      #expect(largestDifference(result.logits.flatMap { $0 }, rows.flatMap { $0 }) < 1e-4, "\(name)")
      return
    }
    let ours = try firstLogits(), width = modelConfig.vocabularySize
    let numbers = expected["logit_rows"]?.array?.compactMap(\.integer) ?? Array(rows.indices)
    #expect(numbers.count == rows.count)
    for (number, row) in zip(numbers, rows) {
      #expect(
        largestDifference(Array(ours[number * width..<(number + 1) * width]), row) < 1e-4, "\(name) token \(number)")
    }
  }

  /// The same, and the gradient of every trained tensor.
  func checkLogitsLossAndGradients() throws {
    let state = try state(), (gradients, result) = try gradients(threads: 2)
    try check(result)
    #expect(state.parameterCount == expected["trainable_parameters"]?.integer, "\(name)")
    let file = try SafetensorsFile(path: gradientFile)
    var named = table.tensors.map { (goldenName(table.name(of: $0)), state.reference($0)) }
    named += zip(state.head, state.headReferences).map { ($0.name, $1) }
    #expect(Set(named.map(\.0)) == Set(file.names), "\(name)")
    for (tensor, reference) in named {
      let expected = try file.tensor(tensor).floats()
      let largest = expected.map { Double(abs($0)) }.max() ?? 0
      let apart = largestDifference(gradients[try require(reference).range], expected.map(Double.init))
      #expect(apart / max(largest, 1e-6) < 1e-4, "\(name) \(tensor)")
    }
  }

  /// The losses, gradient norms and merges of all steps.
  func checkThirtySteps() throws {
    let (losses, norms, merges) = try steps(trainer())
    #expect(losses.count == 30)
    #expect(largestDifference(losses, expected["losses"]?.numbers ?? []) < 1e-4, "\(name)")
    #expect(largestDifference(norms, expected["grad_norms"]?.numbers ?? []) < 2e-3, "\(name)")
    let expectedMerges = expected["merges"]?.array ?? []
    #expect(merges.map(\.step) == expectedMerges.compactMap { $0["step"]?.integer }, "\(name)")
    #expect(merges.map(\.module) == expectedMerges.compactMap { $0["module"]?.string }, "\(name)")
    let lowest = expectedMerges.compactMap { $0["lower_layers"]?.array?.compactMap(\.integer).max() }
    #expect(merges.map(\.lowerLayer) == lowest, "\(name)")
  }

  /// What a whole training reports.
  func steps(_ trainer: Trainer) throws -> (losses: [Double], norms: [Double], merges: [GroupMerge]) {
    var trainer = trainer, losses: [Double] = [], norms: [Double] = [], merges: [GroupMerge] = []
    _ = try trainer.run { event in
      switch event {
      case .step(let report):
        losses.append(report.loss)
        norms.append(report.gradientNorm)
      case .merged(let event): merges.append(event)
      default: break
      }
    }
    return (losses, norms, merges)
  }

  /// Other documents beside one, in its row or its batch, and threads change nothing.
  func checkPacking() throws {
    let state = try state(), engine = try engine(threads: 2), items = data.items
    let together = engine.evaluate(items, state: state)
    let means = zip(together.losses, together.counts).map { $0 / Double($1) }
    let alone = items.map { engine.evaluate([$0], state: state).meanLoss }
    #expect(largestDifference(means, alone) < 1e-5, "\(name)")
    if labels == nil {
      let documents = items.map(\.ids)
      let apart = engine.evaluate(documents.map { EncodedDataset.Item(documents: [$0]) }, state: state)
      let packed = engine.evaluate([EncodedDataset.Item(documents: documents)], state: state)
      #expect(packed.counts == [apart.counts.reduce(0, +)])
      #expect(abs(packed.meanLoss - apart.meanLoss) < 1e-6, "\(name)")
    }
    #expect(try self.engine(threads: 1).evaluate(items, state: state).losses == together.losses, "\(name)")
  }
}

func largestDifference(_ ours: [Float], _ expected: [Double]) -> Double {
  largestDifference(ours.map(Double.init), expected)
}

/// Infinite for lists of different lengths or none.
func largestDifference(_ ours: [Double], _ expected: [Double]) -> Double {
  guard ours.count == expected.count, !expected.isEmpty else { return .infinity }
  return zip(ours, expected).map { abs($0 - $1) }.max() ?? .infinity
}

/// The largest difference, in units of the largest expected number.
func relativeDifference(_ ours: [Float], _ expected: [Float]) -> Double {
  let largest = expected.map { Double(abs($0)) }.max() ?? 0
  return largestDifference(ours, expected.map(Double.init)) / max(largest, 1e-6)
}
