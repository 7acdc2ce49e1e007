import Diagnostics

/// When ASLoRA merges, and by which rule it picks what (arXiv 2412.10135).
///
/// For optimiser steps t = 1 … T and every module type: after the step the running mean of every distinct B takes the
/// new value in; where t > `startStep` and (t − `startStep`) mod `mergeInterval` = 0 the two nearest groups are
/// merged, `numMerges` times in all. The first merge is at `startStep + mergeInterval`.
public struct ASLoRAPlan: Sendable, Equatable {
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
    /// 1 − cos(B̄ᵢ, B̄ⱼ); 1 where one of the two is zero, 0 where both are.
    case cosine
  }

  /// What the two groups use after a merge.
  public enum Direction: String, Sendable, CaseIterable {
    /// The upper layers' B, unchanged.
    case lowerUsesUpper = "lower_uses_upper"
    /// The mean of both B's. The moments are the upper's; the running mean is the mean of both.
    case average
  }

  /// Steps before merging begins.
  public let startStep: Int
  /// Steps between two merges of a module type.
  public let mergeInterval: Int
  /// Merges of each module type.
  public let numMerges: Int
  /// Which pairs may be merged.
  public let candidates: Candidates
  /// What makes two groups similar.
  public let metric: Metric
  /// What the groups use after a merge.
  public let direction: Direction

  /// The plan of a run of `totalSteps` optimiser steps on `layers` layers; nil stands for the default.
  ///
  /// Defaults: `startStep` round(0.046·T), `mergeInterval` max(1, round(0.035·T)), `numMerges`
  /// `defaultNumMerges(layers:)`. Where both steps are defaults and so many merges would not fit (more than 27), the
  /// interval is the largest that does. Throws all violations at once.
  public init(_ options: ASLoRAOptions = ASLoRAOptions(), totalSteps: Int, layers: Int) throws {
    let merges = options.numMerges ?? Self.defaultNumMerges(layers: layers)
    let start = options.startStep ?? Self.rounded(0.046, of: totalSteps)
    var interval = options.mergeInterval ?? max(1, Self.rounded(0.035, of: totalSteps))
    if options.startStep == nil, options.mergeInterval == nil, merges > 0 {
      interval = max(1, min(interval, (totalSteps - start) / merges))
    }
    try Self.check(startStep: start, mergeInterval: interval, numMerges: merges, totalSteps: totalSteps, layers: layers)
    self.startStep = start
    self.mergeInterval = interval
    self.numMerges = merges
    candidates = options.candidates
    metric = options.metric
    direction = options.direction
  }

  /// The steps after which every module type merges two groups.
  public var mergeSteps: [Int] { numMerges == 0 ? [] : (1...numMerges).map { startStep + $0 * mergeInterval } }

  /// round(0.58·L), and never more than the L − 1 merges that there can be.
  public static func defaultNumMerges(layers: Int) -> Int {
    max(0, min(rounded(0.58, of: layers), layers - 1))
  }

  /// Throws where `layers` layers can't be merged `numMerges` times.
  public static func check(numMerges: Int, layers: Int) throws {
    if numMerges < 0 { throw AdapterError.asloraOutOfRange(field: "num_merges", value: numMerges, atLeast: 0) }
    if numMerges > max(0, layers - 1) { throw AdapterError.tooManyMerges(numMerges: numMerges, layers: layers) }
  }

  /// Whether every module type merges two groups after optimiser step `step`, counted from 1.
  public func isMergeStep(_ step: Int) -> Bool {
    let since = step - startStep
    return since > 0 && since % mergeInterval == 0 && since / mergeInterval <= numMerges
  }

  private static func rounded(_ share: Double, of whole: Int) -> Int { Int((share * Double(whole)).rounded()) }

  private static func check(
    startStep: Int, mergeInterval: Int, numMerges: Int, totalSteps: Int, layers: Int
  ) throws {
    var errors: [AdapterError] = []
    if startStep < 0 { errors.append(.asloraOutOfRange(field: "start_step", value: startStep, atLeast: 0)) }
    if mergeInterval < 1 { errors.append(.asloraOutOfRange(field: "merge_interval", value: mergeInterval, atLeast: 1)) }
    do {
      try check(numMerges: numMerges, layers: layers)
    } catch let error as AdapterError {
      errors.append(error)
    }
    if errors.isEmpty, numMerges > 0 {
      let (span, overflow) = numMerges.multipliedReportingOverflow(by: mergeInterval)
      if overflow || startStep > totalSteps || span > totalSteps - startStep {
        errors.append(
          .mergesDoNotFit(
            startStep: startStep, mergeInterval: mergeInterval, numMerges: numMerges, totalSteps: totalSteps))
      }
    }
    try ErrorList.throwIfAny(errors)
  }
}
