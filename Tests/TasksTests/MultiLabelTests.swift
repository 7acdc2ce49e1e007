import Diagnostics
import Metrics
import Testing

@testable import Tasks

/// Texts with any number of labels.
@Suite struct MultiLabelTests {
  private func task(
    _ file: String, _ text: String, separator: String? = nil, names: [String]? = nil, known: LabelSpace? = nil
  ) throws -> TextTask {
    try TextTask(file, text, known: known) { source, _ in
      (source.problemType, source.labelSeparator, source.labelNames) = (.multiLabel, separator, names)
    }
  }

  @Test func listsInJSON() throws {
    let task = try task(
      "a.jsonl",
      """
      {"text": "a", "label": ["sea", "art"]}
      {"text": "b", "label": []}
      {"text": "c", "label": ["wine"]}
      """)
    #expect(task.data.labels == .labelSets(["art", "sea", "wine"]) && task.data.outputs == 3)
    #expect(task.data.metrics.map(\.name) == ["f1_micro", "f1_macro", "accuracy", "loss"])
    #expect(try task.labels(.train) == [[0, 1], [], [2]].map(Label.classSet))
    #expect(try task.labels(.test) == [[0, 1], [], [2]].map(Label.classSet))
  }

  @Test func numbersInJSON() throws {
    let text = "{\"text\": \"a\", \"label\": [2, 0]}\n{\"text\": \"b\", \"label\": [1]}"
    #expect(try task("a.jsonl", text).data.labels == .labelSets(["0", "1", "2"]))
    let named = try task("a.jsonl", text, names: ["x", "y", "z"])
    #expect(named.data.labels == .labelSets(["x", "y", "z"]))
    #expect(try named.labels(.train) == [[0, 2], [1]].map(Label.classSet))
  }

  @Test func aSeparatorInTables() throws {
    let task = try task("a.csv", "text,label\na,sea; art\nb,\nc,wine\n", separator: "; ")
    #expect(task.data.labels == .labelSets(["art", "sea", "wine"]))
    #expect(try task.labels(.train) == [[0, 1], [], [2]].map(Label.classSet))
    let single = try self.task("a.tsv", "text\tlabel\na\tx\n", separator: "|")
    #expect(single.data.labels == .labelSets(["x"]) && single.data.outputs == 1)
  }

  /// A test file without any label has none; in one with labels a row may have none of them.
  @Test func testFiles() throws {
    let known = LabelSpace.labelSets(["x", "y"])
    #expect(try task("a.csv", "text,label\na,\nb,\n", separator: "|", known: known).labels(.test) == [nil, nil])
    #expect(try task("a.csv", "text,label\na,-1\nb,-1\n", separator: "|", known: known).labels(.test) == [nil, nil])
    #expect(
      try task("a.csv", "text,label\na,\nb,x|y\n", separator: "|", known: known).labels(.test)
        == [[], [0, 1]].map(Label.classSet))
    #expect(try task("a.jsonl", "{\"text\": \"a\"}", known: known).labels(.test) == [nil])
  }

  @Test(
    arguments: [
      (
        "a.csv", "text,label\na,x\n", nil,
        "/PATH, which is read as csv"
      ),
      ("a.csv", "text,label\na,x|\n", "|", "PATH:2: the label is empty"),
      (
        "a.csv", "text,label\na,x|y|x\n", "|",
        "PATH:2: the label \"x\" stands twice; labels are listed by name or number, not as 0 and 1 for each"
      ),
      (
        "a.csv", "text,label\na,\"x, y\"\n", ",",
        "PATH:2: the label \" y\" begins or ends with a space, which label_separator may lack"
      ),
      ("a.csv", "text,label\na,\nb,\n", "|", "PATH: no row has a label"),
      ("a.jsonl", "{\"text\": \"a\", \"label\": \"x\"}", nil, "PATH:1: label must be a list of labels, not a string"),
      (
        "a.jsonl", "{\"text\": \"a\", \"label\": [1, \"x\"]}", nil,
        "PATH:1: label must be a list of strings or of numbers"
      ),
      ("a.jsonl", "{\"text\": \"a\", \"label\": [[1]]}", nil, "PATH:1: label must be a list of strings or of numbers"),
      (
        "a.jsonl", "{\"text\": \"a\", \"label\": [1]}\n{\"text\": \"a\", \"label\": [\"x\"]}", nil,
        "PATH:2: the label is a string, but a number in line 1"
      ),
      ("a.jsonl", "{\"text\": \"a\", \"label\": null}", nil, "PATH:1: label is missing"),
      (
        "a.jsonl", "{\"text\": \"a\", \"label\": [0, 1, 1]}", nil,
        "PATH:1: the label \"1\" stands twice; labels are listed by name or number, not as 0 and 1 for each"
      ),
    ] as [(String, String, String?, String)])
  func whatIsRefused(file: String, text: String, separator: String?, expected: String) {
    let found = message { _ = try task(file, text, separator: separator).load(.train) }
    #expect(found.hasSuffix(expected.replacing("PATH", with: file)), "\(found)")
  }

  @Test func listsNeedTheProblemType() {
    let found = message { _ = try TextTask("a.json", "[{\"text\": \"a\", \"label\": [1]}]") }
    #expect(found.hasSuffix("a.json:1: label is a list, which needs problem_type multi_label_classification"))
  }

  @Test func unknownLabels() throws {
    let task = try task("a.csv", "text,label\na,x|z\n", separator: "|", names: ["x", "y"])
    #expect(
      message { _ = try task.load(.train) }.hasSuffix("a.csv:2: unknown label \"z\"; the labels are \"x\", \"y\""))
  }

  @Test func predictions() {
    let table = PredictionTable(labels: .labelSets(["a", "b", "c"]), separator: "|")
    let text = table.text(scores: [[1, -1, 0.5], [-1, 0, -2]], labels: [.classSet([1, 2]), nil])
    let rows = text.split(separator: "\n").map { $0.split(separator: "\t", omittingEmptySubsequences: false).prefix(3) }
    #expect(rows == [["index", "prediction", "label"], ["0", "a|c", "b|c"], ["1", "", ""]])
    let usual = PredictionTable(labels: .labelSets(["a", "b"]))
    #expect(usual.line(index: 0, scores: [1, 1], label: nil).hasPrefix("0\ta,b\t\t"))
  }
}

/// `task.problem_type`, `task.metrics` and `task.class_weights`.
@Suite struct LabelOptionTests {
  private let rows = "text,label\na,1\nb,2\nc,3\n"

  private func task(_ text: String? = nil, known: LabelSpace? = nil, _ change: (inout TaskOptions) -> Void) throws
    -> TextTask
  {
    try TextTask("a.csv", text ?? rows, known: known) { source, _ in change(&source) }
  }

  @Test func problemTypes() throws {
    #expect(try task { $0.problemType = .regression }.data.labels == .regression)
    #expect(try task { $0.problemType = .regression }.labels(.train) == [1, 2, 3].map(Label.score))
    let halves = "text,label\na,0.5\nb,1.5\nc,0.5\n"
    #expect(try task(halves) { $0.problemType = .singleLabel }.data.labels == .classes(["0.5", "1.5"]))
    #expect(
      try task("text,label\na,nan\nb,x\n") { $0.problemType = .singleLabel }.data.labels == .classes(["nan", "x"]))
    #expect(
      message { _ = try task("text,label\na,x\n") { $0.problemType = .regression }.load(.train) }
        .hasSuffix("a.csv:2: label \"x\" is not a number"))
    #expect(
      message { _ = try task(known: .regression) { $0.problemType = .singleLabel } }
        == "task.problem_type: is single_label_classification, but the head has regression")
    #expect(
      message { _ = try task { ($0.problemType, $0.labelNames) = (.regression, ["a", "b"]) } }
        == "task.label_names: cannot go with problem_type regression")
  }

  @Test func metricsByName() throws {
    let chosen = try task { $0.metrics = ["f1_macro", "roc_auc", "accuracy"] }
    #expect(chosen.data.metrics.map(\.name) == ["f1_macro", "roc_auc", "accuracy", "loss"])
    #expect(try task { $0.metrics = ["loss"] }.data.metrics == [.loss])
    #expect(
      message { _ = try task { $0.metrics = ["f1", "accuracy", "mse"] } } == """
        task.metrics: f1 does not go with labels that are 3 classes; those that do are \(Self.ofClasses)
        task.metrics: mse does not go with labels that are 3 classes; those that do are \(Self.ofClasses)
        """)
    #expect(
      message { _ = try task { ($0.metrics, $0.problemType) = (["accuracy"], .regression) } }
        == "task.metrics: accuracy does not go with labels that are numbers; those that do are "
        + "mse, mae, r2, pearson, spearmanr")
    let two = try task("text,label\na,x\nb,y\n") { $0.metrics = ["f1", "precision", "recall"] }
    #expect(two.data.metrics.map(\.name) == ["f1", "precision", "recall", "loss"])
    var glue = options("stsb")
    glue.metrics = ["mse"]
    #expect(try TaskData(glue).metrics.map(\.name) == ["mse", "loss"])
  }

  private static let ofClasses =
    "accuracy, f1_micro, f1_macro, f1_weighted, precision_micro, precision_macro, precision_weighted, recall_micro, "
    + "recall_macro, recall_weighted, matthews_correlation, roc_auc"

  private func weights(_ weights: ClassWeights, names: [String]? = nil, known: LabelSpace? = nil) throws
    -> ClassWeighting?
  {
    let task = try task(known: known) { ($0.classWeights, $0.labelNames) = (weights, names) }
    return (task.data.objective as? Classification)?.weighting
  }

  @Test func classWeights() throws {
    #expect(try weights(.balanced) == .balanced)
    let byLabel = ClassWeights.byLabel([LabelWeight("3", 0.5), LabelWeight("1", 2), LabelWeight("2", 1)])
    #expect(try weights(byLabel) == .weights([2, 1, 0.5]))
    #expect(try weights(.list([1, 2, 3]), names: ["3", "2", "1"]) == .weights([1, 2, 3]))
    // A saved head has its own order.
    #expect(
      try weights(.list([1, 2, 3]), names: ["3", "2", "1"], known: .classes(["1", "3", "2"])) == .weights([3, 1, 2]))
  }

  @Test(
    arguments: [
      (ClassWeights.list([1, 2, 3]), nil, "a list needs label_names, whose order it has; or give weights by label"),
      (.list([1, 2]), ["1", "2", "3"], "has 2 weights, label_names has 3 names"),
      (
        .byLabel([LabelWeight("1", 1), LabelWeight("4", 1)]), nil, "no label \"4\"; the labels are \"1\", \"2\", \"3\""
      ),
      (.byLabel([LabelWeight("1", 1)]), nil, "has no weight for \"2\", \"3\""),
    ] as [(ClassWeights, [String]?, String)])
  func wrongClassWeights(weights: ClassWeights, names: [String]?, problem: String) {
    #expect(message { _ = try self.weights(weights, names: names) } == "task.class_weights: \(problem)")
  }

  @Test func otherProblemsHaveNoClassWeights() {
    for problem in [ProblemType.regression, .multiLabel] {
      let found = message {
        _ = try task { ($0.problemType, $0.labelSeparator, $0.classWeights) = (problem, "|", .balanced) }
      }
      #expect(found == "task.class_weights: is for labels that are one of some classes each")
    }
  }
}
