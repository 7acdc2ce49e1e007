import Metrics
import Tokenizers

extension Task {
  /// Instructions to follow.
  public static let instruct: Task = {
    var task = Task(
      "instruct", summary: "Instructions with the answers to learn: JSON, or as the file's ending tells",
      files: [
        .train: ["train.json", "train.jsonl"], .validation: ["validation.json", "validation.jsonl"],
        .test: ["test.json", "test.jsonl"],
      ], labels: .none, metrics: [.perplexity]
    ) { opening in
      let style = try InstructionStyle(
        opening.options.promptTemplate,
        chatTemplate: opening.modelDirectory.flatMap { try Tokenizer.chatTemplate(modelDirectory: $0) })
      var reader = TaskReader(labels: nil, objective: LanguageModelling()) { request in
        let data = try PromptedDataset(instructions: request.path, style: style)
        return SplitData(file: request.path) {
          try EncodedDataset(data, limit: request.limit, cut: .each, encoder: $0)
        }
      }
      reader.prompts = PromptFormat(ending: style.answer("").ending) { text, encoder in
        try encoder.prompt(style.prompt(instruction: text, input: ""), ends: false)
      }
      return reader
    }
    task.options = [.promptTemplate]
    task.textsPerExample = 2
    return task
  }()
}
