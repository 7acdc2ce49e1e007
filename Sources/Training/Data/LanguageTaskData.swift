import Checkpoints
import Configuration
import Diagnostics
import Foundation
import Kernels
import Metrics
import Models
import StrictJSON
import Tasks
import Tokenizers

/// A task for language models, ready to load: texts to continue (`causal-lm`), prompts to answer (`instruct`), meanings
/// to put into words (`e2e`), questions with choices (`multiple-choice`).
public struct LanguageTaskData: Sendable {
  /// The section `task` of the config.
  public let config: TaskConfig
  /// Its files.
  public let source: LanguageSource
  /// How instructions become prompts.
  public let style: InstructionStyle

  /// The task of a config, for the model in the directory `model`. Throws where its prompt template is none.
  init(_ config: TaskConfig, task: LanguageTask, model: String) throws {
    self.config = config
    let named: [Split: String?] = [
      .train: config.trainFile, .validation: config.validationFile, .test: config.testFile,
    ]
    source = LanguageSource(task, dataDirectory: config.dataDir, files: named.compactMapValues { $0 })
    style = try InstructionStyle(config.promptTemplate, chatTemplate: try Self.chatTemplate(of: model))
  }

  /// The `chat_template` of tokenizer_config.json: a text, or a list of named ones.
  private static func chatTemplate(of model: String) throws -> String? {
    let file = "\(model)/tokenizer_config.json"
    guard FileManager.default.fileExists(atPath: file) else { return nil }
    let node = try JSONParser.parse(MappedFile(path: file).text(), file: file)["chat_template"]
    return node?.string ?? node?.array?.first { $0["name"]?.string == "default" }?["template"]?.string
  }

  /// The split's items, tokenized, and what was left out. Questions with choices are other items `toTrain` than to score.
  func load(
    _ split: Split, _ tokens: LanguageTokens, toTrain: Bool, pool: WorkerPool
  ) throws -> EncodedDataset {
    let path = try source.path(split)
    let limit = (split == .train ? config.maxTrainSamples : config.maxEvalSamples) ?? .max
    if source.task == .multipleChoice {
      return try choices(split, limit: limit, tokens, toTrain: toTrain, pool: pool)
    }
    if source.task == .causalLM { return try blocks(path, limit, tokens, pool) }
    let data =
      try source.task == .e2e
      ? PromptedDataset(e2e: path, groups: false) : PromptedDataset(instructions: path, style: style)
    return answers(data, limit, tokens, pool)
  }

  /// Texts end to end in blocks of `max_seq_length`. A record's text ends with the token for that; a plain text, which
  /// is one document, does not.
  private func blocks(
    _ path: String, _ limit: Int, _ tokens: LanguageTokens, _ pool: WorkerPool
  ) throws -> EncodedDataset {
    let texts = try TextDocuments(path: path)
    let isPlain = ![".jsonl", ".ndjson"].contains(where: path.lowercased().hasSuffix)
    let documents = pool.chunks(texts.documents) { document in
      tokens.tokenizer.encode(document.text).ids + (isPlain ? [] : [tokens.end])
    }
    return EncodedDataset(
      items: packedBlocks(documents, length: config.maxSeqLength).prefix(limit).map(EncodedDataset.Item.init(block:)),
      leftOut: texts.skipped.map(\.description))
  }

  /// Prompts with their answers: for `instruct` of at most `max_seq_length` tokens each, for `e2e` together.
  private func answers(
    _ data: PromptedDataset, _ limit: Int, _ tokens: LanguageTokens, _ pool: WorkerPool
  ) -> EncodedDataset {
    let encoded = pool.chunks(Array(data.examples.prefix(limit))) { example in
      (prompt: tokens.prompt(example.prompt, ends: example.endsPrompt), answer: tokens.answer(example))
    }
    let length = config.maxSeqLength, together = source.task == .e2e
    var items: [EncodedDataset.Item] = [], cutPrompts = 0, cutAnswers = 0, tooLong = 0
    for (prompt, answer) in encoded {
      if together, prompt.count >= length {
        tooLong += 1
        continue
      }
      let room = together ? length - prompt.count : length
      cutPrompts += prompt.count > length ? 1 : 0
      cutAnswers += answer.count > room ? 1 : 0
      items.append(EncodedDataset.Item(prompt: Array(prompt.prefix(length)), answer: Array(answer.prefix(room))))
    }
    let most = "than \(length) tokens (task.max_seq_length)"
    var notices = data.skipped.map(\.description)
    if cutPrompts > 0 { notices.append("\(data.file): \(cutPrompts) prompts of more \(most) were cut to that") }
    if cutAnswers > 0 { notices.append("\(data.file): \(cutAnswers) answers of more \(most) were cut to that") }
    if tooLong > 0 { notices.append("\(data.file): left out \(tooLong) prompts that leave no room for an answer") }
    return EncodedDataset(items: items, leftOut: notices)
  }
}

/// A tokenizer with the token that ends a text.
struct LanguageTokens: Sendable {
  let tokenizer: Tokenizer
  let end: Int32

  /// Throws where the model's config names no such token.
  init(_ tokenizer: Tokenizer, _ model: ModelConfig, path: String) throws {
    self.tokenizer = tokenizer
    guard let end = model.eosTokenID else { throw RunError.noEndOfText(directory: path) }
    self.end = Int32(end)
  }

  /// The ids of what comes before an answer; `ends` puts the end-of-text token after it.
  func prompt(_ text: String, ends: Bool) -> [Int32] { tokenizer.encode(text).ids + (ends ? [end] : []) }

  func answer(_ example: PromptedText) -> [Int32] { tokenizer.ids(of: example.answer) + ending(example.ending) }

  /// The ids that end an answer.
  func ending(_ ending: PromptedText.Ending) -> [Int32] {
    switch ending {
    case .endOfText: [end]
    case .text(let text): tokenizer.ids(of: text)
    }
  }
}

extension WorkerPool {
  /// `transform` of every element, in order, on all workers.
  func chunks<Element: Sendable, Result: Sendable>(
    _ elements: [Element], _ transform: @escaping @Sendable (Element) -> Result
  ) -> [Result] {
    let size = 64
    return map((elements.count + size - 1) / size) { index, _ in
      elements[(index * size)..<min((index + 1) * size, elements.count)].map(transform)
    }.flatMap { $0 }
  }
}
