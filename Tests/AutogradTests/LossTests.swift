import Autograd
import Foundation
import Kernels
import Testing

@Suite struct LossTests {
  @Test(arguments: [2, 3, 17]) func crossEntropy(classes: Int) throws {
    let layout = PackedLayout([1, 1, 1, 1]), labels = [0, classes - 1, 1, 0], weight = 0.37
    let logits = normal(4 * classes, stream: 1, deviation: 3)
    let definition = { (logits: [Double]) in
      labels.enumerated().map { row, label in
        let row = logits[row * classes..<(row + 1) * classes]
        return log(row.reduce(0) { $0 + exp($1) }) - row[row.startIndex + label]
      }
    }
    try check(logits, layout, columns: classes, weight: weight, definition) {
      $0.crossEntropy($1, labels: labels, weight: weight)
    }
  }

  /// `CrossEntropyLoss(weight:, label_smoothing:)` of PyTorch, before it divides by the labels' weights.
  @Test(arguments: [nil, [0.5, 2, 1.25]] as [[Double]?], [0, 0.1, 0.9])
  func weightedAndSmoothed(weights: [Double]?, smoothing: Double) throws {
    let labels = [0, 2, 1, 0], weight = 0.37, logits = normal(12, stream: 3, deviation: 3)
    let definition = { (logits: [Double]) in
      labels.enumerated().map { row, label in
        let row = Array(logits[row * 3..<(row + 1) * 3]), whole = log(row.reduce(0) { $0 + exp($1) })
        let terms = (0..<3).map { (weights?[$0] ?? 1) * (whole - row[$0]) }
        return (1 - smoothing) * terms[label] + smoothing / 3 * terms.reduce(0, +)
      }
    }
    try check(logits, PackedLayout([1, 1, 1, 1]), columns: 3, weight: weight, definition) {
      $0.crossEntropy($1, labels: labels, weight: weight, smoothing: smoothing, classWeights: weights)
    }
  }

  @Test(arguments: [1, 2, 5]) func binaryCrossEntropy(columns: Int) throws {
    let sets = [[], [0], Array(0..<columns), [columns - 1]], weight = 0.37
    let logits = normal(4 * columns, stream: 4, deviation: 3)
    let definition = { (logits: [Double]) in
      sets.enumerated().map { row, set in
        (0..<columns).reduce(0.0) { sum, column in
          let share = 1 / (1 + exp(-logits[row * columns + column]))
          return sum - log(set.contains(column) ? share : 1 - share)
        } / Double(columns)
      }
    }
    try check(logits, PackedLayout([1, 1, 1, 1]), columns: columns, weight: weight, definition) {
      $0.binaryCrossEntropy($1, labels: sets, weight: weight)
    }
  }

  @Test func sureLabelsAreSafe() {
    let storage = FloatStorage(zeros: 0)
    let tape = Tape(workspace: Workspace(), parameters: storage, gradients: storage)
    let logits = tape.constant([1e4, -1e4, 1e4, -1e4], layout: PackedLayout([1, 1]), columns: 2, needsGradient: true)
    #expect(tape.binaryCrossEntropy(logits, labels: [[0], [1]], weight: 1) == [0, 1e4])
    #expect(logits.gradient == [0, 0, 0.5, -0.5])
    let unknown = tape.constant([.nan, 1], layout: PackedLayout([1]), columns: 2)
    #expect(tape.binaryCrossEntropy(unknown, labels: [[1]], weight: 1)[0].isNaN)
  }

  @Test func squaredError() throws {
    let targets: [Float] = [0.5, -2, 5], weight = 0.37
    try check(
      normal(3, stream: 2), PackedLayout([1, 1, 1]), columns: 1, weight: weight,
      { logits in zip(logits, targets).map { ($0 - Double($1)) * ($0 - Double($1)) } }
    ) { $0.squaredError($1, targets: targets, weight: weight) }
  }

  @Test func sureLogitsAreSafe() {
    let storage = FloatStorage(zeros: 0)
    let tape = Tape(workspace: Workspace(), parameters: storage, gradients: storage)
    let logits = tape.constant([1e4, -1e4, 1e4, -1e4], layout: PackedLayout([1, 1]), columns: 2, needsGradient: true)
    #expect(tape.crossEntropy(logits, labels: [0, 1], weight: 1) == [0, 2e4])
    #expect(logits.gradient == [0, 0, 1, -1])
  }

  @Test func aNaNIsSeen() {
    let tape = Tape(workspace: Workspace(), parameters: FloatStorage(zeros: 0))
    for logits in [[.nan, 1], [1, .nan], [.infinity, 1]] as [[Float]] {
      let tensor = tape.constant(logits, layout: PackedLayout([1]), columns: 2)
      #expect(tape.crossEntropy(tensor, labels: [0], weight: 1)[0].isNaN)
    }
  }

  @Test func evaluationLeavesNoGradient() {
    let tape = Tape(workspace: Workspace(), parameters: FloatStorage(zeros: 0))
    let logits = tape.constant([0, 0], layout: PackedLayout([1]), columns: 2, needsGradient: true)
    #expect(abs(tape.crossEntropy(logits, labels: [0], weight: 1)[0] - log(2)) < 1e-12)
    #expect(tape.squaredError(logits, targets: [0, 1], weight: 1) == [0, 1])
    #expect(logits.gradient == nil)
  }

  /// Two losses of the same logits: gradients add up.
  @Test func lossesAdd() {
    let storage = FloatStorage(zeros: 0)
    let tape = Tape(workspace: dirtyWorkspace(), parameters: storage, gradients: storage)
    let logit = tape.constant([3], layout: PackedLayout([1]), columns: 1, needsGradient: true)
    _ = tape.squaredError(logit, targets: [1], weight: 0.5)
    _ = tape.squaredError(logit, targets: [4], weight: 1)
    #expect(logit.gradient == [0])
  }

  private func check(
    _ logits: [Float], _ layout: PackedLayout, columns: Int, weight: Double, _ definition: ([Double]) -> [Double],
    _ operation: (Tape, Tensor) -> [Double]
  ) throws {
    let storage = FloatStorage(zeros: 0)
    let tape = Tape(workspace: dirtyWorkspace(), parameters: storage, gradients: storage)
    let tensor = tape.constant(logits, layout: layout, columns: columns, needsGradient: true)
    let losses = operation(tape, tensor), point = logits.map(Double.init)
    for (loss, expected) in zip(losses, definition(point)) { #expect(abs(loss - expected) < 1e-12 * (1 + expected)) }
    #expect(losses.count == layout.rows)
    let gradient = try #require(tensor.gradient)
    for index in logits.indices {
      var above = point, below = point
      above[index] += 1e-5
      below[index] -= 1e-5
      let slope = weight * (definition(above).reduce(0, +) - definition(below).reduce(0, +)) / 2e-5
      #expect(abs(Double(gradient[index]) - slope) < 1e-7 * max(1, abs(slope)))
    }
  }
}
