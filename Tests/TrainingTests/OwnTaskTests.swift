import Configuration
import Foundation
import Metrics
import Tasks
import Testing
import Training

/// A task format and a metric that no target knows: lines `label | text`, and the share of wrong answers.
private enum Bars {
  static let errorRate = Metric("error_rate", greaterIsBetter: false, needs: .classes) { predictions in
    let pairs = predictions.classes
    return pairs.isEmpty ? 0 : Double(pairs.count { $0.predicted != $0.label }) / Double(pairs.count)
  }

  static let task = Task.classification(
    "bars", summary: "Lines of a label, a bar and a text", files: [.train: ["train.txt"], .validation: ["dev.txt"]],
    labels: .classes(["bad", "good"]), metrics: [errorRate, .accuracy]
  ) { path, _ in
    try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").enumerated().map { number, line in
      let parts = line.split(separator: "|", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
      guard parts.count == 2, let label = ["bad", "good"].firstIndex(of: parts[0]) else {
        throw TaskError.badRecord(file: path, line: number + 1, problem: "must be a label, a bar and a text")
      }
      return Example(text: parts[1], label: .classIndex(label), line: number + 1)
    }
  }

  static let catalog = Catalog(tasks: Task.all + [task], metrics: Metric.all + [errorRate])
}

@Suite struct OwnTaskTests {
  private func directory(_ train: String = "good | a fine film\nbad | a dull film\n") throws -> String {
    let path = NSTemporaryDirectory() + "swift-peft-bars-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for (name, text) in ["train.txt": String(repeating: train, count: 12), "dev.txt": train] {
      try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    }
    return path
  }

  private func config(_ data: String, _ training: String = "") throws -> RunConfig {
    let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/bert-tiny")
    return try RunConfig.load(
      text: """
        {"model": "\(model.path)", "task": {"name": "bars", "data_dir": "\(data)", "max_seq_length": 16},
         "training": {"num_train_epochs": 4, "train_batch_size": 6, "learning_rate": 1e-2, "save_steps": 3,
           "metric_for_best_model": "error_rate", "load_best_model_at_end": true\(training)},
         "output_dir": "\(data)/run", "database": "\(data)/runs.sqlite"}
        """, catalog: Bars.catalog)
  }

  @Test func trainsStopsResumesAndPredicts() throws {
    let data = try directory()
    defer { try? FileManager.default.removeItem(atPath: data) }
    let config = try config(data)
    var steps = 0
    var run = try TrainingRun(config, threads: 2, start: .fresh)
    let stopped = try run.execute(shouldStop: { steps == 5 }) { if case .step = $0 { steps += 1 } }
    #expect(stopped.wasInterrupted && stopped.step == 5)

    var rest = try TrainingRun(config, threads: 1, start: .resume)
    #expect(rest.firstStep == 5)
    let summary = try rest.execute { _ in }
    let report = try #require(summary.reports.first)
    #expect(report.metrics.map(\.name) == ["error_rate", "accuracy", "loss"])
    #expect(abs((report["error_rate"] ?? .nan) + (report["accuracy"] ?? .nan) - 1) < 1e-12)

    let directory = try RunDirectory(config.outputDir, catalog: Bars.catalog)
    let saved = try RunConfig.load(path: directory.configPath, catalog: Bars.catalog)
    #expect(saved == config)
    let scoring = try ScoringRun(saved, adapterDirectory: directory.adapterPath, threads: 1)
    #expect(try scoring.score(.validation, scoring.run.load(.validation)).metrics == report.metrics)
    let texts = try scoring.read(PredictionInput(bytes: Array("a fine film\nanother".utf8), name: "texts"))
    let table = PredictionTable(labels: try #require(texts.answers))
    let names = try scoring.logits(scoring.run.encode(texts).items).map(table.prediction)
    #expect(names.count == 2 && names.allSatisfy(["bad", "good"].contains))
  }

  @Test func isUnknownToTheStandardCatalog() throws {
    let text = #"{"model": "m", "task": {"name": "bars", "data_dir": "d"}}"#
    #expect(throws: (any Error).self) { try RunConfig.load(text: text) }
    #expect(try RunConfig.load(text: text, catalog: Bars.catalog).rankingMetric == .loss)
    #expect(RunConfig.schemaText(Bars.catalog).contains("\"bars\""))
  }

  @Test func itsErrorsNameTheLine() throws {
    let data = try directory("good | a\nno bar\n")
    defer { try? FileManager.default.removeItem(atPath: data) }
    let error = #expect(throws: TaskError.self) { try TrainingRun(config(data), threads: 1, start: .fresh) }
    #expect(error?.description == "\(data)/train.txt:2: must be a label, a bar and a text")
  }
}
