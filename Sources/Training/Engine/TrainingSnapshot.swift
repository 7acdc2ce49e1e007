import Adapters

/// What the training loop carries from step to step besides the trainable state; a checkpoint holds both.
public struct LoopState: Sendable {
  var window = LogWindow()
  /// The last scores of every split, without logits.
  public var reports: [EvaluationReport] = []
  /// The state with the best validation metric so far, if the config uses it.
  public var best: BestState?
  /// Evaluations since the best one.
  public var evaluationsWithoutGain = 0
  /// Whether patience ran out.
  public var stoppedEarly = false
  /// Whether the run was stopped before the evaluation of the present step.
  public var evaluationIsPending = false

  /// A run that has not begun.
  public init() {}
}

/// A state worth keeping, and how good it was.
public struct BestState: Sendable {
  /// The state; its moments are not used.
  public let state: TrainableState
  /// Its value of the ranking metric.
  public let value: Double
  /// Its scores, one report a split, without logits.
  public let reports: [EvaluationReport]
}

/// A run between two steps: together with the config, all that it needs to continue.
public struct TrainingSnapshot: Sendable {
  /// Tensors, moments, means, sharing table, step.
  public let state: TrainableState
  /// The rest of the loop.
  public let loop: LoopState
  /// Steps of the whole run, as planned when the snapshot was taken.
  public let totalSteps: Int
  /// What the method does between steps; nil for nothing.
  public let procedure: (any MethodProcedure)?
}
