import Configuration
import Foundation
import Kernels
import Metrics
import Tasks
import Testing

@testable import Training

/// Models are ranked by a metric that every evaluation reports, or the run does not start.
@Suite struct RankingMetricTests {
  private func config(_ metric: String, scores: [String]) throws -> RunConfig {
    let path = NSTemporaryDirectory() + "swift-peft-ranking-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let rows = (0..<16).map { "\($0 % 3 == 0 ? "a fine" : "a dull") film \($0)\t\(scores[$0 % scores.count])\n" }
    try Data(("text\tscore\n" + rows.joined()).utf8).write(to: URL(fileURLWithPath: "\(path)/t.tsv"))
    let model = GoldenRun.directory.appendingPathComponent("bert-tiny").path
    return try RunConfig.load(
      text: """
        {"model": "\(model)",
         "task": {"name": "tsv", "train_file": "\(path)/t.tsv", "validation_file": "\(path)/t.tsv",
           "text_columns": ["text"], "label_column": "score", "max_seq_length": 12},
         "training": {"num_train_epochs": 3, "train_batch_size": 8, "eval_strategy": "steps", "eval_steps": 1,
           "learning_rate": 0.05, "metric_for_best_model": "\(metric)", "load_best_model_at_end": true},
         "output_dir": "\(path)/run", "database": "\(path)/runs.sqlite"}
        """)
  }

  @Test func aRegressionIsRankedByItsCorrelation() throws {
    let config = try config("pearson", scores: ["0.5", "2", "3.5"])
    defer {
      try? FileManager.default.removeItem(
        atPath: URL(fileURLWithPath: config.outputDir).deletingLastPathComponent().path)
    }
    var run = try TrainingRun(config, threads: 1, start: .fresh), found: [Double] = []
    let summary = try run.execute { if case .evaluated(let report) = $0 { found.append(report["pearson"] ?? .nan) } }
    #expect(found.count == 6 && summary.reports.first?["pearson"] == found.max())
  }

  @Test(arguments: [
    ("accuracy", ["0.5", "2"], "accuracy is not reported for this data, only pearson, spearmanr, loss"),
    ("pearson", ["0", "1"], "pearson is not reported for this data, only accuracy, loss"),
  ])
  func whatTheLabelsDoNotGiveIsRefused(metric: String, scores: [String], problem: String) throws {
    let config = try config(metric, scores: scores)
    let sentence = "training.metric_for_best_model: \(problem)"
    let error = #expect(throws: TrainingError.self) { try TrainingRun(config, threads: 1, start: .fresh) }
    #expect(error?.description == sentence && error?.exitStatus == .badInput)
    #expect(!FileManager.default.fileExists(atPath: config.outputDir))
    let dry = #expect(throws: TrainingError.self) { try DryRun(config, threads: 1, start: .fresh) }
    #expect(dry?.description == sentence)
  }

  /// An area under a curve needs examples of both kinds.
  @Test func anUndefinedAreaIsRefused() throws {
    var config = try config("accuracy", scores: ["0", "1"])
    (config.task.metrics, config.training.metricForBestModel) = (["accuracy", "roc_auc"], "roc_auc")
    #expect(try TrainingRun(config, threads: 1, start: .fresh).notices.allSatisfy { !$0.contains("roc_auc") })
    let file = URL(fileURLWithPath: config.outputDir).deletingLastPathComponent().path + "/v.tsv"
    try Data("text\tscore\na\t1\nb\t1\n".utf8).write(to: URL(fileURLWithPath: file))
    config.task.validationFile = [file]
    let problem = "validation: roc_auc is undefined, and so 0: \"0\" is the label of every example there, or of none"
    let error = #expect(throws: TrainingError.self) { try TrainingRun(config, threads: 1, start: .fresh) }
    #expect(error?.description == "training.metric_for_best_model: \(problem)" && error?.exitStatus == .badInput)
    config.training.metricForBestModel = "accuracy"
    #expect(try TrainingRun(config, threads: 1, start: .fresh).notices.contains(problem))
  }

  @Test func theTrainerRefusesItToo() throws {
    var job = Job("lora")
    job.config.metricForBestModel = "f1"
    var trainer = try job.trainer()
    #expect(throws: TrainingError.metricNotReported("f1", reported: ["accuracy", "loss"])) {
      try trainer.run { _ in }
    }
    #expect(trainer.state.step == 0)
  }
}
