import Metrics

extension Task {
  /// The E2E NLG challenge: meanings to put into words.
  public static let e2e: Task = {
    var task = Task(
      "e2e", summary: "The E2E NLG challenge: meaning representations to put into words",
      files: [.train: ["trainset.csv"], .validation: ["devset.csv"], .test: ["testset_w_refs.csv"]], labels: .none,
      metrics: [.perplexity]
    ) { _ in
      var reader = TaskReader(labels: nil, objective: LanguageModelling()) { request in
        let data = try PromptedDataset(e2e: request.path, groups: false)
        return SplitData(file: request.path) {
          try EncodedDataset(data, limit: request.limit, cut: .together, encoder: $0)
        }
      }
      reader.references = { try PromptedDataset(e2e: $0.path, groups: true).prefix($0.limit) }
      reader.prompts = PromptFormat { text, encoder in
        try encoder.prompt(MeaningRepresentation(text)?.prompt ?? text, ends: true)
      }
      return reader
    }
    task.isScoredByTexts = true
    return task
  }()
}

extension PromptedDataset {
  /// The first `limit` examples.
  func prefix(_ limit: Int) -> PromptedDataset {
    PromptedDataset(examples: Array(examples.prefix(limit)), file: file, skipped: skipped)
  }
}
