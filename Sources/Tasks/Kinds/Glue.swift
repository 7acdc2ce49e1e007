import Metrics

extension Task {
  /// The tasks of the GLUE benchmark, with their official files, columns, classes and metrics.
  ///
  /// The order of the classes is that of Hugging Face's GLUE data sets.
  public static let glue: [Task] = {
    let binary = LabelSpace.classes(["0", "1"])
    let entailment = LabelSpace.classes(["entailment", "not_entailment"])
    let threeWay = LabelSpace.classes(["entailment", "neutral", "contradiction"])
    let pair = ["sentence1", "sentence2"]
    var cola = glue(
      "cola", "whether a sentence is grammatical", binary, [.matthews],
      layout: TableLayout(
        texts: [.index(3)], label: .index(1), hasHeader: false, format: .tsv, testHeader: ["index", "sentence"]))
    // The labelled files have no header, as a config may say.
    cola.options = [.hasHeader]
    // A few of QQP's questions hold line breaks, which leave rows that are too short. They are left out, as is usual.
    let qqp = TableLayout(
      texts: [.name("question1"), .name("question2")], label: .name("is_duplicate"), hasHeader: true, format: .tsv,
      testHeader: nil, leavesOutBrokenRows: true)
    return [
      cola,
      glue("sst2", "whether a review is positive", ["sentence"], "label", binary, [.accuracy]),
      glue(
        "mrpc", "whether two sentences mean the same", ["#1 String", "#2 String"], "Quality", binary, [.accuracy, .f1]),
      glue("stsb", "how alike two sentences are, from 0 to 5", pair, "score", .regression, [.pearson, .spearman]),
      glue("qqp", "whether two questions mean the same", binary, [.accuracy, .f1], layout: qqp),
      glue(
        "mnli", "whether a sentence follows from another", pair, "gold_label", threeWay, [.accuracy],
        files: [
          .train: ["train.tsv"], .validation: ["dev_matched.tsv"], .validationMismatched: ["dev_mismatched.tsv"],
          .test: ["test_matched.tsv", "test.tsv"],
        ]),
      glue(
        "qnli", "whether a sentence answers a question", ["question", "sentence"], "label", entailment, [.accuracy]),
      glue("rte", "whether a sentence follows from another", pair, "label", entailment, [.accuracy]),
      glue("wnli", "what a pronoun refers to", pair, "label", binary, [.accuracy]),
    ]
  }()

  private static let usualFiles: [Split: [String]] = [
    .train: ["train.tsv"], .validation: ["dev.tsv"], .test: ["test.tsv"],
  ]

  private static func glue(
    _ name: String, _ question: String, _ texts: [String], _ label: String, _ labels: LabelSpace, _ metrics: [Metric],
    files: [Split: [String]] = usualFiles
  ) -> Task {
    glue(
      name, question, labels, metrics,
      layout: TableLayout(texts: texts.map(Column.name), label: .name(label), format: .tsv), files: files)
  }

  private static func glue(
    _ name: String, _ question: String, _ labels: LabelSpace, _ metrics: [Metric], layout: TableLayout,
    files: [Split: [String]] = usualFiles
  ) -> Task {
    var task = Task(name, summary: "GLUE: \(question)", files: files, labels: .fixed(labels), metrics: metrics) {
      try TableReader(layout).open($0, labels: $0.ordered(labels))
    }
    task.comesAsDirectory = true
    return task
  }
}
