/// When and how ASLoRA merges. Where a number is nil, it follows from the run's length.
public struct ASLoRAOptions: Sendable, Equatable {
  /// Which pairs of groups may be merged.
  public enum Candidates: String, Sendable, CaseIterable {
    /// Neighbours only, so that every group is a run of layers.
    case adjacent
    /// Any two.
    case all
  }

  /// What makes two groups similar. The smallest distance wins.
  public enum Metric: String, Sendable, CaseIterable {
    /// ‖B̄ᵢ − B̄ⱼ‖_F, neither centred nor normalised.
    case l2
    /// ‖(B̄ᵢ − B̄ⱼ) A‖_F, which does not depend on A's basis.
    case effective
    /// ‖(B̄ᵢ − B̄ⱼ) A‖_F / (‖B̄ᵢ A‖_F + ‖B̄ⱼ A‖_F), from 0 to 1, which does not depend on how large the B's are together:
    /// as with `cosine`, 1 if one of the two products is zero, and 0 if both are.
    case effectiveScaled = "effective_scaled"
    /// 1 − cos(B̄ᵢ, B̄ⱼ); 1 if one of the two is zero, 0 if both are.
    case cosine
    /// None: every pair is as likely as any other. A control; the distance that is recorded is that of `l2`.
    case random
  }

  /// When groups come to be.
  public enum Merging: String, Sendable, CaseIterable {
    /// By merges between two steps.
    case whileTraining = "while_training"
    /// Before the first step, as runs of neighbours of nearly equal length. A control: nothing is merged later.
    case atStart = "at_start"
  }

  /// What the two groups use after a merge.
  public enum Direction: String, Sendable, CaseIterable {
    /// The upper layers' B, unchanged.
    case lowerUsesUpper = "lower_uses_upper"
    /// The mean of both B's. The moments are the upper's; the running mean is the mean of both.
    case average
  }

  /// No merge up to this step; the first is at `start_step + merge_interval`.
  public var startStep: Int?
  /// Steps between two merges.
  public var mergeInterval: Int?
  /// Merges per module type in the whole run.
  public var numMerges: Int?
  /// Which pairs of groups can be merged.
  public var candidates = Candidates.adjacent
  /// How the distance of two groups is measured.
  public var metric = Metric.l2
  /// Which B the merged group uses.
  public var direction = Direction.lowerUsesUpper
  /// When groups come to be; nil for `while_training`.
  public var merging: Merging?

  /// Options; what is not given has its default.
  public init(
    startStep: Int? = nil, mergeInterval: Int? = nil, numMerges: Int? = nil,
    candidates: Candidates = .adjacent, metric: Metric = .l2,
    direction: Direction = .lowerUsesUpper, merging: Merging? = nil
  ) {
    (self.startStep, self.mergeInterval, self.numMerges) = (startStep, mergeInterval, numMerges)
    (self.candidates, self.metric, self.direction, self.merging) = (candidates, metric, direction, merging)
  }

  /// Whether groups are fixed before the first step.
  public var isStatic: Bool { merging == .atStart }
}
