// How another Swift package uses the engine: the package's product "SwiftPEFT", nothing but public names.
import Adapters
import Configuration
import Foundation
import Reports
import RunStore
import Tasks
import Training

/// Trains what `config` describes and returns its score on the validation split.
///
/// The config is the same JSON as the command line's, or a value made in code, as here.
func trainClassifier(model: String, data: String, output: String) throws -> Double? {
  var task = TaskConfig(name: "sst2")
  task.dataDir = data
  task.maxSeqLength = 32
  var config = RunConfig(
    name: "example", model: model, task: task, outputDir: output, database: "\(output)/runs.sqlite")
  config.adapter.strategy = "share-a"
  config.adapter.r = 2
  config.training.maxSteps = 4
  config.training.trainBatchSize = 8

  var run = try TrainingRun(config, threads: 2, start: .fresh)
  let summary = try run.execute { event in
    if case .log(let report) = event { print("step \(report.step): \(report.metrics.map(\.value))") }
  }
  return summary.reports.first?["accuracy"]
}

/// The classes that the trained run in `directory` gives to `texts`.
func classify(_ texts: [String], with directory: String) throws -> [String] {
  let run = try RunDirectory(directory)
  let config = try RunConfig.load(path: run.configPath)
  let scoring = try ScoringRun(config, adapterDirectory: run.adapterPath, threads: 2)
  let data = try scoring.read(PredictionInput(bytes: Array(texts.joined(separator: "\n").utf8), name: "texts"))
  let table = PredictionTable(labels: data.answers ?? .regression)
  return try scoring.logits(scoring.run.encode(data).items).map { table.prediction($0) }
}

/// How many numbers every strategy trains on a model, from its `config.json` alone.
func adapterSizes(model: String) throws -> [String: Int] {
  var task = TaskConfig(name: "sst2")
  task.maxSeqLength = 32
  let run = try PreparedRun(RunConfig(name: "sizes", model: model, task: task), inputs: .none)
  // Those that do not fit the model are left out.
  let comparison = try ParameterComparison(
    model: model, geometry: run.geometry, placement: run.config.adapter.placement, labels: 2)
  return Dictionary(uniqueKeysWithValues: comparison.rows.map { ($0.strategy, $0.adapterParameters) })
}

/// A report on all runs of a database.
func reportPage(database: String) throws -> String {
  let store = try RunStore.openExisting(path: database)
  let runs = try store.runs().map { try RecordedRun($0, in: store) }
  return Report(runs, title: "All runs", version: "1").html()
}
