import Metrics

extension Task {
  /// The tasks of the GLUE benchmark, with their official files, columns, classes and metrics.
  ///
  /// The order of the classes is that of Hugging Face's GLUE data sets.
  public static let glue = [
    // The labelled files have no header, as a config may say.
    glue(
      "cola", "whether a sentence is grammatical", binary, [.matthews], options: [.hasHeader],
      TableLayout(
        texts: [.index(3)], label: .index(1), hasHeader: false, style: TableStyle(format: .tsv),
        testHeader: ["index", "sentence"])),
    glue("sst2", "whether a review is positive", binary, [.accuracy], named(["sentence"], "label")),
    glue(
      "mrpc", "whether two sentences mean the same", binary, [.accuracy, .f1],
      named(["#1 String", "#2 String"], "Quality")),
    glue("stsb", "how alike two sentences are, from 0 to 5", .regression, [.pearson, .spearman], named(pair, "score")),
    // A few of QQP's questions hold line breaks, which leave rows that are too short. They are left out, as is usual.
    glue(
      "qqp", "whether two questions mean the same", binary, [.accuracy, .f1],
      named(["question1", "question2"], "is_duplicate", leavesOutBrokenRows: true)),
    glue(
      "mnli", "whether a sentence follows from another", .classes(["entailment", "neutral", "contradiction"]),
      [.accuracy], named(pair, "gold_label"),
      files: [
        .train: ["train.tsv"], .validation: ["dev_matched.tsv"], .validationMismatched: ["dev_mismatched.tsv"],
        .test: ["test_matched.tsv", "test.tsv"],
      ]),
    glue(
      "qnli", "whether a sentence answers a question", entailment, [.accuracy],
      named(["question", "sentence"], "label")),
    glue("rte", "whether a sentence follows from another", entailment, [.accuracy], named(pair, "label")),
    glue("wnli", "what a pronoun refers to", binary, [.accuracy], named(pair, "label")),
  ]

  private static let binary = LabelSpace.classes(["0", "1"])
  private static let entailment = LabelSpace.classes(["entailment", "not_entailment"])
  private static let pair = ["sentence1", "sentence2"]

  private static func named(_ texts: [String], _ label: String, leavesOutBrokenRows: Bool = false) -> TableLayout {
    TableLayout(
      texts: texts.map(Column.name), label: .name(label), style: TableStyle(format: .tsv),
      leavesOutBrokenRows: leavesOutBrokenRows)
  }

  private static func glue(
    _ name: String, _ question: String, _ labels: LabelSpace, _ metrics: [Metric], options: Set<TaskOption> = [],
    _ layout: TableLayout,
    files: [Split: [String]] = [.train: ["train.tsv"], .validation: ["dev.tsv"], .test: ["test.tsv"]]
  ) -> Task {
    Task(
      name, summary: "GLUE: \(question)", files: files, labels: .fixed(labels), metrics: metrics,
      options: options.union([.metrics]),
      comesAsDirectory: true
    ) { try TableReader(layout: layout).open($0, labels: $0.ordered(labels)) }
  }
}
