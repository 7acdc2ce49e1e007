import Configuration
import Foundation

/// The learning rate of every step, as transformers' schedulers give it.
public struct LearningRateSchedule: Sendable {
  /// The largest rate.
  public let peak: Double
  /// Shape of the curve.
  public let type: LRSchedulerType
  /// Steps of linear warm-up.
  public let warmupSteps: Int
  /// Steps of the whole run.
  public let totalSteps: Int

  /// A run's schedule: `warmup_steps` if given, else ⌈warmup_ratio · T⌉.
  public init(_ config: TrainingConfig, totalSteps: Int) {
    peak = config.learningRate
    type = config.lrSchedulerType
    warmupSteps =
      config.warmupSteps > 0 ? config.warmupSteps : Int((Double(totalSteps) * config.warmupRatio).rounded(.up))
    self.totalSteps = totalSteps
  }

  /// The rate of the step that follows `done` finished ones.
  public func rate(after done: Int) -> Double {
    if type != .constant, done < warmupSteps { return peak * Double(done) / Double(max(1, warmupSteps)) }
    let left = max(0, Double(totalSteps - done) / Double(max(1, totalSteps - warmupSteps)))
    switch type {
    case .linear: return peak * left
    case .cosine: return peak * 0.5 * (1 + cos(.pi * (1 - left)))
    case .constant, .constantWithWarmup: return peak
    }
  }
}
