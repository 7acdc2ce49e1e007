/// Which examples each optimiser step takes.
public struct BatchPlan: Sendable {
  /// Examples in an epoch.
  public let examples: Int
  /// Examples of one step: batch size times accumulation. The last step of an epoch may have fewer.
  public let stepSize: Int

  /// `gradient_accumulation_steps` micro-batches make one step. Loss and gradient are means over all its examples, so
  /// how it was cut into micro-batches does not matter.
  public init(examples: Int, batchSize: Int, accumulation: Int) {
    self.examples = examples
    stepSize = batchSize * accumulation
  }

  /// Optimiser steps in an epoch.
  public var stepsPerEpoch: Int { (examples + stepSize - 1) / stepSize }

  /// All steps of a run: `max_steps` if positive, else ⌈epochs · steps per epoch⌉.
  public func totalSteps(epochs: Double, maxSteps: Int) -> Int {
    maxSteps > 0 ? maxSteps : max(1, Int((epochs * Double(stepsPerEpoch)).rounded(.up)))
  }

  /// The examples of step `step` (from 0), given its epoch's order.
  public func batch(step: Int, order: [Int]) -> ArraySlice<Int> {
    let start = step % stepsPerEpoch * stepSize
    return order[start..<min(start + stepSize, examples)]
  }
}
