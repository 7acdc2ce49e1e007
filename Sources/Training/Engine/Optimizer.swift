import Adapters
import Configuration
import Kernels

/// AdamW over a run's trainable state, with clipping of the gradient's norm before the step.
public struct Optimizer: Sendable {
  private let config: TrainingConfig

  /// An optimiser with the config's hyper-parameters.
  public init(_ config: TrainingConfig) { self.config = config }

  /// Applies one step to `state`, whose `step` counts those done. `gradientNorm` is the norm of `gradients`.
  ///
  /// Clipping as torch.nn.utils.clip_grad_norm_: a factor of min(1, max_norm / (norm + 1e-6)).
  public func apply(to state: inout TrainableState, gradients: FloatStorage, gradientNorm: Double, learningRate: Double)
  {
    let limit = config.maxGradNorm
    let scale = limit > 0 ? min(1, limit / (gradientNorm + 1e-6)) : 1
    state.step += 1
    let step = state.step - state.skippedSteps, ranges = state.decayRanges
    state.update { values, firstMoments, secondMoments in
      for (range, decays) in ranges {
        AdamWStep(
          learningRate: learningRate, beta1: config.adamBeta1, beta2: config.adamBeta2, epsilon: config.adamEpsilon,
          weightDecay: decays ? config.weightDecay : 0, step: step, gradientScale: scale
        ).apply(
          range: range, values: values, gradients: gradients, firstMoments: firstMoments, secondMoments: secondMoments)
      }
    }
  }
}
