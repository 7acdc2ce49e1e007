import Adapters
import Configuration
import Kernels
import Models

/// `swift-peft train --dry-run`: everything that a run checks before its first write, and what it would do.
///
/// Missing weights, tokenizer and data are listed instead of refused, so that a config can be checked where only the
/// model's `config.json` is at hand. Whatever is there is checked as a real run checks it. Nothing is written.
public struct DryRun: Sendable {
  /// The model, the adapter and the task.
  public let run: PreparedRun
  /// Outputs of the head; nil if they come from a file that is missing.
  public let outputs: Int?
  /// Training examples; nil if their file is missing.
  public let trainExamples: Int?
  /// Optimiser steps of an epoch; nil if unknown.
  public let stepsPerEpoch: Int?
  /// Optimiser steps of the run; nil if unknown.
  public let totalSteps: Int?
  /// Steps of linear warm-up; nil if unknown.
  public let warmupSteps: Int?
  /// Steps after which the method changes the sharing; nil if it does not, or if unknown.
  public let mergeSteps: [Int]?
  /// What the run would take.
  public let memory: MemoryEstimate
  /// What it would do on several machines; nil for one process.
  public let cluster: ClusterPlan?
  /// Missing inputs, each with what was looked for.
  public let missing: [String]
  /// Notes for the user.
  public let notices: [String]

  /// Checks the run that `config` describes, for the processes of `shape` or one. Throws what a real run would, except
  /// for missing inputs.
  public init(_ config: RunConfig, threads: Int, start: RunStart, shape: ClusterShape? = nil) throws {
    let inputs = try TrainingInputs(config, threads: threads, start: start, isDryRun: true)
    let data = inputs.data, run = data.run, training = config.training
    self.run = run
    outputs = (try? run.task()).map { $0.outputs ?? 0 }
    trainExamples = data.trainExamples
    stepsPerEpoch = data.steps?.perEpoch
    totalSteps = data.steps?.total ?? (training.maxSteps > 0 ? training.maxSteps : nil)
    warmupSteps = totalSteps.map { LearningRateSchedule(training, totalSteps: $0).warmupSteps }
    mergeSteps = try totalSteps.flatMap {
      try run.method.procedure?.steps(config.adapter.methodOptions, run.table, $0)
    }
    // As in `outputs`, 0 means that there is no head; two classes are assumed where the labels are missing.
    let head = outputs.map { $0 > 0 ? $0 : nil } ?? (run.taskKind.isLanguageModelling ? nil : 2)
    let epoch = try EpochShards(run, outputs: head, items: data.train?.items)
    let estimate = MemoryEstimate(run, outputs: head, epoch: epoch, ranks: shape?.ranks ?? 1)
    let (memory, limit) = estimate.limited(to: SystemFacts().availableMemory, ranksOfHost: shape?.ranksOfHost ?? 1)
    self.memory = memory
    let state = data.train == nil || !inputs.missing.isEmpty ? nil : inputs.start?.state
    cluster = try shape.map { try ClusterPlan(run, $0, outputs: head, epoch: epoch, state: state) }
    missing = inputs.missing
    var notices = inputs.notices + (limit.map { [$0] } ?? [])
    if start == .resume {
      notices.append(
        inputs.resumed?.checkpoint.map { "would resume after step \($0.step)" } ?? "there is no checkpoint to resume")
    }
    self.notices = notices
  }

  /// Numbers of the adapter, of all that trains, and of the whole; those with the head are nil if the labels are
  /// unknown.
  public var parameters: (adapter: Int, trainable: Int?, total: Int?) {
    let adapter = run.table.parameterCount
    return (
      adapter, outputs.map { adapter + run.geometry.headParameters(labels: $0 > 0 ? $0 : nil) },
      outputs.map { run.geometry.totalParameters(labels: $0 > 0 ? $0 : nil) + adapter }
    )
  }
}
