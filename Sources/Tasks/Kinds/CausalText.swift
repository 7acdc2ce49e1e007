import Metrics

extension Task {
  /// Texts to continue.
  public static let causalLM = Task(
    "causal-lm", summary: "Texts to continue: plain text, or JSONL by its ending, whose every {\"text\": …} is one",
    files: [
      .train: ["train.txt", "train.jsonl"], .validation: ["validation.txt", "valid.txt", "validation.jsonl"],
      .test: ["test.txt", "test.jsonl"],
    ], labels: .none, metrics: [.perplexity]
  ) { _ in
    TaskReader(labels: nil, objective: LanguageModelling()) { request in
      let texts = try TextDocuments(path: request.path)
      return SplitData(file: request.path) { try EncodedDataset(texts, limit: request.limit, encoder: $0) }
    }
  }
}
