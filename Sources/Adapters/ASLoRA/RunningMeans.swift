/// The mean of every distinct B over all optimiser steps so far: B̄ ← B̄ + (B − B̄) / t after step t.
///
/// Part of a run's state: a checkpoint stores `step` and `values`, and a resumed run begins with them.
public struct RunningMeans: Sendable, Equatable {
  /// Optimiser steps taken in.
  public private(set) var step: Int
  /// The means, row-major as the B's.
  public private(set) var values: [TensorKey: [Float]]

  /// No steps yet, or those of a checkpoint.
  public init(step: Int = 0, values: [TensorKey: [Float]] = [:]) {
    self.step = step
    self.values = values
  }

  /// Takes in the B's after the next optimiser step. `b` gives the present numbers of a tensor.
  public mutating func update(_ table: SiteTable, b: (TensorKey) -> [Float]) {
    step += 1
    for key in table.tensors where key.role == .b {
      let current = b(key)
      let weight = Float(step)
      var mean = values.removeValue(forKey: key) ?? [Float](repeating: 0, count: current.count)
      precondition(mean.count == current.count)
      for i in mean.indices { mean[i] += (current[i] - mean[i]) / weight }
      values[key] = mean
    }
  }

  /// Follows a merge: the lower group's mean is dropped; the upper's stays, or becomes the mean of both.
  public mutating func merge(_ event: GroupMerge, direction: ASLoRAPlan.Direction) {
    guard let lower = values.removeValue(forKey: event.lower), direction == .average,
      var upper = values.removeValue(forKey: event.upper)
    else { return }
    for i in upper.indices { upper[i] = (lower[i] + upper[i]) / 2 }
    values[event.upper] = upper
  }
}
