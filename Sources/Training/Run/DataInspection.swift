import Configuration
import Metrics
import Tasks

/// `swift-peft data`: what training, or an evaluation, will see of the data. It is read as `train` reads it; no weights are
/// needed, and nothing is written.
public struct DataInspection: Sendable {
  /// One split, tokenized, with its numbers.
  public struct Part: Sendable {
    /// The split.
    public let split: Split
    /// Its files.
    public let files: [String]
    /// Its examples.
    public let data: EncodedDataset
    /// What there is of them.
    public let summary: DatasetSummary
  }

  /// The model's sizes, the task and the tokenizer.
  public let run: PreparedRun
  /// The splits: that to train on, then those that are scored.
  public let parts: [Part]
  /// Optimiser steps of the run; nil if another split than that to train on is shown.
  public let totalSteps: Int?
  /// Notes for the user, beside those on what was left out of a part.
  public let notices: [String]

  /// Reads what `config` trains on and scores, or only `split`. Throws what a run would.
  public init(_ config: RunConfig, split: Split? = nil, threads: Int) throws {
    guard let split else {
      let data = try TrainingData(config, threads: threads, inputs: .text)
      let sets = (data.train.map { [(split: Split.train, data: $0)] } ?? []) + data.evaluationSets
      let leftOut = sets.flatMap(\.data.leftOut)
      (run, totalSteps, notices) = (data.run, data.steps?.total, data.notices.filter { !leftOut.contains($0) })
      parts = try sets.map { [run] in try Self.part(run, $0.split, $0.data) }
      return
    }
    let run = try PreparedRun(config, threads: threads, inputs: .text)
    parts = [try Self.part(run, split, run.load(split, toTrain: split == .train))]
    (self.run, totalSteps) = (run, nil)
    notices = run.notices + (try run.tokenizer().textNotes)
  }

  private static func part(_ run: PreparedRun, _ split: Split, _ data: EncodedDataset) throws -> Part {
    let task = try run.task()
    return Part(
      split: split, files: try task.files(split), data: data,
      summary: DatasetSummary(data, labels: task.labels, limit: run.maxLength))
  }
}
