import Adapters
import Configuration
import Foundation
import Kernels

/// The optimiser steps of a run, and the examples of each.
public struct StepPlan: Sendable, Equatable {
  /// Examples in an epoch.
  public let examples: Int
  /// Examples of a step: batch size times accumulation. The last step of an epoch may have fewer.
  public let stepSize: Int
  /// Steps of an epoch.
  public let perEpoch: Int
  /// Steps of the whole run: `max_steps` if positive, else ⌈epochs · steps per epoch⌉.
  public let total: Int

  /// Loss and gradient of a step are means over all its examples, however accumulation divides them.
  public init(examples: Int, _ config: TrainingConfig) {
    self.examples = examples
    stepSize = config.trainBatchSize * config.gradientAccumulationSteps
    perEpoch = (examples + stepSize - 1) / stepSize
    total =
      config.maxSteps > 0 ? config.maxSteps : max(1, Int((config.numTrainEpochs * Double(perEpoch)).rounded(.up)))
  }

  /// The examples of step `step` (from 0), given its epoch's order.
  func batch(step: Int, order: [Int]) -> ArraySlice<Int> {
    let start = step % perEpoch * stepSize
    return order[start..<min(start + stepSize, examples)]
  }
}

/// The learning rate of every step, as in transformers' schedulers.
struct LearningRateSchedule: Sendable {
  let peak: Double
  let type: LRSchedulerType
  /// `warmup_steps` if given, else ⌈warmup_ratio · T⌉.
  let warmupSteps: Int
  let totalSteps: Int

  init(_ config: TrainingConfig, totalSteps: Int) {
    peak = config.learningRate
    type = config.lrSchedulerType
    warmupSteps =
      config.warmupSteps > 0 ? config.warmupSteps : Int((Double(totalSteps) * config.warmupRatio).rounded(.up))
    self.totalSteps = totalSteps
  }

  /// The rate of the step after `done` finished ones.
  func rate(after done: Int) -> Double {
    if type != .constant, done < warmupSteps { return peak * Double(done) / Double(max(1, warmupSteps)) }
    let left = max(0, Double(totalSteps - done) / Double(max(1, totalSteps - warmupSteps)))
    switch type {
    case .linear: return peak * left
    case .cosine: return peak * 0.5 * (1 + cos(.pi * (1 - left)))
    case .constant, .constantWithWarmup: return peak
    }
  }
}

/// AdamW over a run's trainable state, with clipping of the gradient's norm.
struct Optimizer: Sendable {
  let config: TrainingConfig

  /// Applies one step to `state`. `gradientNorm` is the norm of `gradients`, clipped as by torch.nn.utils.clip_grad_norm_:
  /// with a factor of min(1, max_norm / (norm + 1e-6)).
  func apply(to state: inout TrainableState, gradients: FloatStorage, gradientNorm: Double, learningRate: Double) {
    let limit = config.maxGradNorm
    let scale = limit > 0 ? min(1, limit / (gradientNorm + 1e-6)) : 1
    state.step += 1
    let step = state.optimizerSteps, groups = state.parameterGroups
    state.update { values, firstMoments, secondMoments in
      for (range, decays, factor) in groups {
        AdamWStep(
          learningRate: factor * learningRate, beta1: config.adamBeta1, beta2: config.adamBeta2,
          epsilon: config.adamEpsilon,
          weightDecay: decays ? config.weightDecay : 0, step: step, gradientScale: scale
        ).apply(
          range: range, values: values, gradients: gradients, firstMoments: firstMoments, secondMoments: secondMoments)
      }
    }
  }
}
