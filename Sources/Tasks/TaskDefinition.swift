import Metrics

/// Where a task's files and columns are, what its labels mean, and how it is scored.
public struct TaskDefinition: Sendable {
  /// The name in a config.
  public let name: String
  /// The columns of the one or two texts.
  public let texts: [Column]
  /// The column of the label; nil for unlabelled data.
  public let label: Column?
  /// Whether the first line of a file names the columns.
  public let hasHeader: Bool
  /// The labels; nil where they come from the data (`tsv`).
  public let labels: LabelSpace?
  /// What the task is scored by, the primary metric first; nil where it follows from the labels (`tsv`).
  let ownMetrics: [Metric]?
  /// File names of each split within `data_dir`, in the order they are looked for.
  let files: [Split: [String]]

  /// The metrics of the task with these labels: of GLUE tasks those of the benchmark, of `tsv` accuracy for classes,
  /// Pearson's and Spearman's correlation for regression. The first is the primary one.
  public func metrics(for labels: LabelSpace) -> [Metric] {
    ownMetrics ?? (labels == .regression ? [.pearson, .spearman] : [.accuracy])
  }

  /// Whether its examples are pairs of texts.
  public var isPair: Bool { texts.count == 2 }

  /// The splits that the task can have.
  public var splits: [Split] { Split.allCases.filter { files[$0] != nil } }

  /// Every task's name.
  public static let names = glue.map(\.name) + ["tsv"]

  /// The GLUE task with this name.
  public static func named(_ name: String) -> TaskDefinition? { glue.first { $0.name == name } }

  /// The tasks of the GLUE benchmark, with their official files, columns and classes.
  ///
  /// The order of the classes is that of Hugging Face's GLUE data sets.
  public static let glue: [TaskDefinition] = {
    let binary = LabelSpace.classes(["0", "1"])
    let entailment = LabelSpace.classes(["entailment", "not_entailment"])
    let threeWay = LabelSpace.classes(["entailment", "neutral", "contradiction"])
    let pair: [Column] = [.name("sentence1"), .name("sentence2")]
    return [
      TaskDefinition("cola", [.index(3)], .index(1), binary, [.matthews], hasHeader: false),
      TaskDefinition("sst2", [.name("sentence")], .name("label"), binary, [.accuracy]),
      TaskDefinition("mrpc", [.name("#1 String"), .name("#2 String")], .name("Quality"), binary, [.accuracy, .f1]),
      TaskDefinition("stsb", pair, .name("score"), .regression, [.pearson, .spearman]),
      TaskDefinition(
        "qqp", [.name("question1"), .name("question2")], .name("is_duplicate"), binary, [.accuracy, .f1]),
      TaskDefinition("mnli", pair, .name("gold_label"), threeWay, [.accuracy], files: mnliFiles),
      TaskDefinition("qnli", [.name("question"), .name("sentence")], .name("label"), entailment, [.accuracy]),
      TaskDefinition("rte", pair, .name("label"), entailment, [.accuracy]),
      TaskDefinition("wnli", pair, .name("label"), binary, [.accuracy]),
    ]
  }()

  static let usualFiles: [Split: [String]] = [.train: ["train.tsv"], .validation: ["dev.tsv"], .test: ["test.tsv"]]
  private static let mnliFiles: [Split: [String]] = [
    .train: ["train.tsv"], .validation: ["dev_matched.tsv"], .validationMismatched: ["dev_mismatched.tsv"],
    .test: ["test_matched.tsv", "test.tsv"],
  ]

  init(
    _ name: String, _ texts: [Column], _ label: Column?, _ labels: LabelSpace?, _ metrics: [Metric]?,
    hasHeader: Bool = true, files: [Split: [String]] = usualFiles
  ) {
    (self.name, self.texts, self.label, self.labels) = (name, texts, label, labels)
    (ownMetrics, self.hasHeader, self.files) = (metrics, hasHeader, files)
  }

  /// The first line of CoLA's test file, whose layout differs from that of the labelled files.
  static let colaTestHeader = ["index", "sentence"]

  /// QQP's official training file holds a few questions with line breaks in them, which leave rows that are too
  /// short. They are left out (and reported) as everywhere else, if they are at most 1 in 1,000 rows.
  var leavesOutBrokenRows: Bool { name == "qqp" }
}
