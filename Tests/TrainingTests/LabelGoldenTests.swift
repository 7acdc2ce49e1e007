import Foundation
import Metrics
import StrictJSON
import Tasks
import Testing

@testable import Training

/// Several labels, class weights and smoothed labels against peft, transformers and PyTorch (scripts/golden/labels.py).
@Suite struct LabelGoldenTests {
  static let runs = [
    "multi-label", "multi-label-uneven", "weighted", "balanced", "smoothed", "smoothed-uneven", "weighted-smoothed",
  ]

  @Test(arguments: runs, [1, 2]) func thirtySteps(run: String, threads: Int) throws {
    let golden = try LabelGolden(run, threads: threads), found = try golden.train()
    #expect(found.losses.count == 30)
    #expect(largestDifference(found.losses, golden.expected["losses"]?.numbers ?? []) < 1e-4, "\(run)")
    #expect(largestDifference(found.norms, golden.expected["grad_norms"]?.numbers ?? []) < 2e-3, "\(run)")
  }

  @Test(arguments: ["multi-label-uneven", "weighted-smoothed"]) func threadsChangeNothing(run: String) throws {
    let one = try LabelGolden(run, threads: 1).train(), two = try LabelGolden(run, threads: 2).train()
    #expect(one.losses == two.losses && one.norms == two.norms)
  }

  @Test func balancedWeightsAreScikitLearns() throws {
    let golden = try LabelGolden("balanced", threads: 1)
    let fitted = try #require(golden.objective.fitted(to: golden.run.data.items) as? Classification)
    guard case .weights(let weights)? = fitted.weighting else {
      Issue.record("no weights")
      return
    }
    #expect(largestDifference(weights, golden.expected["weights"]?.numbers ?? []) < 1e-12)
    #expect(fitted.notes.count == 1 && golden.objective.notes == [])
    let oneClass = golden.run.data.items.filter { $0.label == .classIndex(1) }
    #expect(
      throws: TaskError.badOption(
        key: "class_weights",
        problem: "\"balanced\" needs a training example of every class, and there is none of \"0\"")
    ) { try golden.objective.fitted(to: oneClass) }
  }

  /// An evaluation has neither weights nor smoothing.
  @Test func evaluationsReportThePlainLoss() throws {
    let golden = try LabelGolden("weighted-smoothed", threads: 1), plain = try LabelGolden("smoothed", threads: 1)
    let state = try golden.run.state(), items = golden.run.data.items
    let one = try golden.engine().evaluate(items, state: state),
      other = try plain.engine().evaluate(items, state: state)
    #expect(one.losses == other.losses && one.losses.count == items.count)
    let expected = zip(one.logits, items).map { logits, item in
      guard case .classIndex(let label) = item.label else { return Double.nan }
      return log(logits.reduce(0) { $0 + exp(Double($1)) }) - Double(logits[label])
    }
    #expect(largestDifference(one.losses, expected) < 1e-6)
  }
}

/// A job of scripts/golden/labels.py: bert-tiny with the start of `lora-3-labels`.
private struct LabelGolden {
  let run: GoldenRun
  let expected: JSONNode
  let objective: any Objective

  init(_ name: String, threads: Int) throws {
    let file = GoldenRun.directory.appendingPathComponent("labels/\(name).json")
    run = try GoldenRun(model: "bert-tiny", run: "lora-3-labels", threads: threads, settings: file)
    expected = run.expected
    if expected["label_sets"] != nil {
      objective = MultiLabelClassification(labels: 3)
      return
    }
    let weights = try require(expected["settings"])["class_weights"]
    objective = Classification(
      classes: 3,
      weighting: weights?.string == "balanced" ? .balanced : weights.map { ClassWeighting.weights($0.numbers) })
  }

  func engine() throws -> Engine {
    run.engine(
      try objective.fitted(to: run.data.items),
      labelSmoothing: expected["settings"]?["label_smoothing_factor"]?.number ?? 0)
  }

  func train() throws -> (losses: [Double], norms: [Double]) {
    var losses: [Double] = [], norms: [Double] = []
    var trainer = try run.trainer(engine())
    _ = try trainer.run { event in
      guard case .step(let report) = event else { return }
      losses.append(report.loss)
      norms.append(report.gradientNorm)
    }
    return (losses, norms)
  }
}
