import Foundation
import Kernels

extension Tape {
  /// Cross-entropy −log softmax(logits)[label] of each row of logits [B, n].
  ///
  /// Returns the loss of every row and seeds the backward pass with the gradient of `weight` · Σ losses.
  public func crossEntropy(_ logits: Tensor, labels: [Int], weight: Double) -> [Double] {
    precondition(labels.count == logits.rows)
    let n = logits.columns
    let gradient = isRecording ? logits.slot.zeroedAccumulator(in: workspace).base : nil
    return labels.enumerated().map { index, label in
      let row = UnsafeBufferPointer(start: logits.row(index), count: n)
      let top = Double(row.max() ?? 0)
      let exponentials = row.map { exp(Double($0) - top) }
      let sum = exponentials.reduce(0, +)
      if let gradient {
        for c in 0..<n {
          gradient[index * n + c] += Float(weight * (exponentials[c] / sum - (c == label ? 1 : 0)))
        }
      }
      return log(sum) + top - Double(row[label])
    }
  }

  /// (logit − target)² of each row of logits [B, 1]; otherwise like `crossEntropy`.
  public func squaredError(_ logits: Tensor, targets: [Float], weight: Double) -> [Double] {
    precondition(targets.count == logits.count)
    let gradient = isRecording ? logits.slot.zeroedAccumulator(in: workspace).base : nil
    return targets.enumerated().map { index, target in
      let difference = Double(logits.base[index]) - Double(target)
      gradient?[index] += Float(2 * weight * difference)
      return difference * difference
    }
  }
}
