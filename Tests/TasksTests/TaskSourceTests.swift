import Diagnostics
import Testing

@testable import Tasks

@Suite struct TaskSourceTests {
  private static func bad(_ key: String, _ problem: String) -> TaskError { .badOption(key: key, problem: problem) }

  @Test func trainingNeedsALabelColumn() throws {
    let folder = try Folder(["t.tsv": "text\na\n"])
    let source = options("tsv", trainFile: folder.path + "/t.tsv", textColumns: [.name("text")])
    #expect(throws: Self.bad("label_column", "is needed for the train split")) { try TaskData(source) }
  }

  @Test(arguments: [
    (options("sst"), TaskError.unknownTask("sst", known: Task.all.map(\.name))),
    (options("sst2", labelColumn: .name("label")), bad("label_column", "task sst2 has columns of its own")),
    (options("sst2", hasHeader: false), bad("has_header", "task sst2 has columns of its own")),
    (options("sst2", maxEvalSamples: 0), bad("max_eval_samples", "must be 1 or more, found 0")),
    (options("tsv"), bad("text_columns", "must be one or two columns, found 0")),
    (
      options("tsv", textColumns: [.name("t")], hasHeader: false),
      bad("text_columns", "without a header, a column is a 0-based number, not \"t\"")
    ),
    (options("tsv", textColumns: [.index(-1)]), bad("text_columns", "a column's number is 0 or more, found -1")),
    (options("tsv", textColumns: [.name("t")]), .noFileGiven(task: "tsv", split: .train)),
    (
      options("tsv", trainFile: "/none/t.tsv", textColumns: [.name("t")]),
      .missingFile(file: "/none/t.tsv", task: "tsv", split: .train)
    ),
  ])
  func contradictionsAreRefused(source: TaskOptions, error: TaskError) {
    #expect(throws: error) { try TaskData(source) }
  }

  @Test func contradictionsAreGathered() {
    let error = #expect(throws: ErrorList.self) {
      try TaskData(options("tsv", labelColumn: .index(-2)))
    }
    #expect(
      error?.errors as? [TaskError] == [
        Self.bad("text_columns", "must be one or two columns, found 0"),
        Self.bad("label_column", "a column's number is 0 or more, found -2"),
      ])
  }

  @Test func filesAreLookedForByTheirOfficialNames() throws {
    #expect(throws: TaskError.missingFile(file: "/none/dev.tsv", task: "rte", split: .validation)) {
      try TaskData(options("rte", dataDir: "/none")).load(.validation)
    }
    #expect(throws: TaskError.unreadable(file: "/tmp", reason: "is a directory")) {
      try TaskData(options("rte", validationFile: "/tmp")).load(.validation)
    }
    #expect(throws: TaskError.missingFile(file: "/none/test_matched.tsv", task: "mnli", split: .test)) {
      try TaskData(options("mnli", dataDir: "/none")).load(.test)
    }
    #expect(
      throws: TaskError.noSuchSplit(
        task: "rte", split: .validationMismatched, splits: [.train, .validation, .test])
    ) {
      try TaskData(options("rte", dataDir: "/none")).load(.validationMismatched)
    }
  }

  @Test func metricsAreThoseOfTheBenchmark() {
    let metrics = Task.glue.map { task in
      "\(task.name): " + task.metrics.dropLast().map(\.name).joined(separator: " ")
    }
    #expect(Task.all.allSatisfy { $0.metrics.last == .loss })
    #expect(
      metrics == [
        "cola: matthews_correlation", "sst2: accuracy", "mrpc: accuracy f1", "stsb: pearson spearmanr",
        "qqp: accuracy f1", "mnli: accuracy", "qnli: accuracy", "rte: accuracy", "wnli: accuracy",
      ])
  }
}
