import Diagnostics
import Testing

@testable import Tasks

@Suite struct TaskSourceTests {
  @Test(arguments: [
    (TaskSource(name: "sst"), TaskError.unknownTask("sst")),
    (TaskSource(name: "sst2", labelColumn: .name("label")), .columnsAreFixed(task: "sst2")),
    (TaskSource(name: "sst2", hasHeader: false), .columnsAreFixed(task: "sst2")),
    (TaskSource(name: "sst2", maxEvalSamples: 0), .sampleCount(key: "max_eval_samples", 0)),
    (TaskSource(name: "tsv"), .textColumnCount(0)),
    (TaskSource(name: "tsv", textColumns: [.name("t")], hasHeader: false), .nameWithoutHeader(.name("t"))),
    (TaskSource(name: "tsv", textColumns: [.index(-1)]), .negativeColumn(-1)),
    (TaskSource(name: "tsv", textColumns: [.name("t")]), .noFileGiven(task: "tsv", split: .train)),
    (
      TaskSource(name: "tsv", trainFile: "/none/t.tsv", textColumns: [.name("t")]),
      .missingFile(file: "/none/t.tsv", task: "tsv", split: .train)
    ),
  ])
  func contradictionsAreRefused(source: TaskSource, error: TaskError) {
    #expect(throws: error) { try TaskData(source) }
  }

  @Test func contradictionsAreGathered() {
    let error = #expect(throws: ErrorList.self) {
      try TaskData(TaskSource(name: "tsv", labelColumn: .index(-2)))
    }
    #expect(error?.errors as? [TaskError] == [.textColumnCount(0), .negativeColumn(-2)])
  }

  @Test func filesAreLookedForByTheirOfficialNames() throws {
    #expect(throws: TaskError.missingFile(file: "/none/dev.tsv", task: "rte", split: .validation)) {
      try TaskData(TaskSource(name: "rte", dataDirectory: "/none")).load(.validation)
    }
    #expect(throws: TaskError.unreadable(file: "/tmp", reason: "is a directory")) {
      try TaskData(TaskSource(name: "rte", validationFile: "/tmp")).load(.validation)
    }
    #expect(throws: TaskError.missingFile(file: "/none/test_matched.tsv", task: "mnli", split: .test)) {
      try TaskData(TaskSource(name: "mnli", dataDirectory: "/none")).load(.test)
    }
    #expect(
      throws: TaskError.noSuchSplit(
        task: "rte", split: .validationMismatched, splits: [.train, .validation, .test])
    ) {
      try TaskData(TaskSource(name: "rte", dataDirectory: "/none")).load(.validationMismatched)
    }
  }

  @Test func metricsAreThoseOfTheBenchmark() {
    let metrics = TaskDefinition.glue.map { task in
      "\(task.name): " + task.metrics(for: task.labels ?? .regression).map(\.name).joined(separator: " ")
    }
    #expect(
      metrics == [
        "cola: matthews_correlation", "sst2: accuracy", "mrpc: accuracy f1", "stsb: pearson spearmanr",
        "qqp: accuracy f1", "mnli: accuracy", "qnli: accuracy", "rte: accuracy", "wnli: accuracy",
      ])
  }
}
