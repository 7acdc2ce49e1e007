import Configuration

/// How many optimiser steps a run has, and which examples each takes.
public struct StepPlan: Sendable, Equatable {
  /// Examples in an epoch.
  public let examples: Int
  /// Examples of one step: batch size times accumulation. The last step of an epoch may have fewer.
  public let stepSize: Int
  /// Steps of the whole run: `max_steps` if positive, else ⌈epochs · steps per epoch⌉.
  public let total: Int

  /// The steps of a run over `examples`.
  ///
  /// `gradient_accumulation_steps` micro-batches make one step. Loss and gradient are means over all its examples, so
  /// how it was cut into micro-batches does not matter.
  public init(examples: Int, _ config: TrainingConfig) {
    self.examples = examples
    stepSize = config.trainBatchSize * config.gradientAccumulationSteps
    let perEpoch = (examples + stepSize - 1) / stepSize
    total =
      config.maxSteps > 0
      ? config.maxSteps : max(1, Int((config.numTrainEpochs * Double(perEpoch)).rounded(.up)))
  }

  /// Optimiser steps in an epoch.
  public var perEpoch: Int { (examples + stepSize - 1) / stepSize }

  /// The examples of step `step` (from 0), given its epoch's order.
  public func batch(step: Int, order: [Int]) -> ArraySlice<Int> {
    let start = step % perEpoch * stepSize
    return order[start..<min(start + stepSize, examples)]
  }
}
