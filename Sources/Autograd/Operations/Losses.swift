import Foundation
import Kernels

extension Tape {
  /// Cross-entropy −log softmax(logits)[label] of each row of logits [B, n].
  ///
  /// Returns the loss of every row and seeds the backward pass with the gradient of `weight` · Σ losses. With `smoothing` ε
  /// the target is 1 − ε at the label and ε / n at every class; with `classWeights`, every class's part is multiplied by
  /// its weight. Both are as in PyTorch's `CrossEntropyLoss` before it divides by the sum of the labels' weights.
  public func crossEntropy(
    _ logits: Tensor, labels: [Int], weight: Double, smoothing: Double = 0, classWeights: [Double]? = nil
  ) -> [Double] {
    precondition(labels.count == logits.rows)
    let n = logits.columns
    precondition(classWeights == nil || classWeights?.count == n)
    let gradient = isRecording ? logits.slot.zeroedAccumulator(in: workspace).base : nil
    // What every class gets, and all of them together.
    let shares = (0..<n).map { smoothing / Double(n) * (classWeights?[$0] ?? 1) }, shared = shares.reduce(0, +)
    return labels.enumerated().map { index, label in
      let row = UnsafeBufferPointer(start: logits.row(index), count: n)
      let top = Double(row.max() ?? 0)
      let exponentials = row.map { exp(Double($0) - top) }
      let sum = exponentials.reduce(0, +)
      let target = (1 - smoothing) * (classWeights?[label] ?? 1)
      if let gradient {
        for c in 0..<n {
          let wanted = (c == label ? target : 0) + shares[c]
          gradient[index * n + c] += Float(weight * ((target + shared) * (exponentials[c] / sum) - wanted))
        }
      }
      let whole = log(sum) + top
      let rest = smoothing > 0 ? (0..<n).reduce(0) { $0 + shares[$1] * (whole - Double(row[$1])) } : 0
      return target * (whole - Double(row[label])) + rest
    }
  }

  /// Binary cross-entropy of the sigmoid of every logit of [B, n], where the labels of a row are those that hold; its mean
  /// over the row. Otherwise like `crossEntropy`.
  public func binaryCrossEntropy(_ logits: Tensor, labels: [[Int]], weight: Double) -> [Double] {
    precondition(labels.count == logits.rows)
    let n = logits.columns
    let gradient = isRecording ? logits.slot.zeroedAccumulator(in: workspace).base : nil
    return labels.enumerated().map { index, labels in
      let row = logits.row(index)
      var sum = 0.0, holds = [Double](repeating: 0, count: n)
      for label in labels { holds[label] = 1 }
      for c in 0..<n {
        let logit = Double(row[c]), small = exp(-abs(logit))
        sum += max(logit, 0) - logit * holds[c] + log1p(small)
        let sigmoid = logit >= 0 ? 1 / (1 + small) : small / (1 + small)
        gradient?[index * n + c] += Float(weight / Double(n) * (sigmoid - holds[c]))
      }
      return sum / Double(n)
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
