import Metrics
import Tokenizers

extension Task {
  /// Conversations to learn.
  public static let instruct = Task(
    "instruct",
    summary: "Conversations and instructions with the answers to learn: JSON, or as the file's ending tells",
    files: [
      .train: ["train.json", "train.jsonl"], .validation: ["validation.json", "validation.jsonl"],
      .test: ["test.json", "test.jsonl"],
    ], labels: .none, metrics: [.perplexity],
    options: [
      .promptTemplate, .chatTemplate, .chatTemplateDate, .assistantOnlyLoss, .packing, .fileFormat, .delimiter,
    ]
  ) { opening in
    var options = opening.options
    let style = options.tableStyle, given = options.chatTemplate ?? options.promptTemplate
    let layout =
      given != nil ? nil : opening.firstFiles.flatMap { ConversationLayout(ofFirstRecordIn: $0, style: style) }
    let format = try ConversationFormat(options, layout: layout, modelDirectory: opening.modelDirectory)
    // What the data's layout decided is written down, so that the run's adapter is used in the same way later.
    if given == nil { options.chatTemplate = format.configValue }
    // So is the text of a file, which may be elsewhere then.
    if let source = format.keptSource { (options.chatTemplate, options.promptTemplate) = (source, nil) }
    let loss = options.assistantOnlyLoss ?? .all, packs = options.packing ?? false
    var reader = TaskReader(labels: nil, objective: LanguageModelling()) { request in
      let files = try request.paths.map {
        try ConversationFile(Table(path: $0, style: style, otherwise: .json))
      }
      return SplitData(files: request.paths) { encoder in
        let conversations = try ConversationEncoder(format, loss: loss, encoder: encoder)
        return try EncodedDataset(files, limit: request.limit, packs: packs && request.toTrain, conversations)
      }
    }
    reader.options = options
    reader.prompts = PromptFormat { encoder in
      let prompts = try ConversationEncoder(format, loss: loss, encoder: encoder)
      return PromptEncoder(
        ids: { try prompts.prompt(Conversation([Message(.user, $0)])) }, conversation: prompts.prompt,
        ends: prompts.ends)
    }
    return reader
  }
}

extension TaskOpening {
  /// The files that tell the data's layout: those to train on, otherwise those of another split; nil where there are none.
  fileprivate var firstFiles: [String]? {
    [Split.train, .validation, .test].lazy.compactMap { try? files($0) }.first
  }
}
