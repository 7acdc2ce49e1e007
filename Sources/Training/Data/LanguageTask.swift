import Checkpoints
import Configuration
import Diagnostics
import Foundation
import Kernels
import StrictJSON
import Tasks
import Tokenizers

/// A task for language models: texts to continue (`causal-lm`), or prompts to answer (`instruct`).
public struct LanguageTask: Sendable {
  /// The section `task` of the config.
  public let config: TaskConfig

  init(_ config: TaskConfig) { self.config = config }

  /// The file of `split`. Throws where the config names none, or one that is not there.
  public func file(_ split: Split) throws -> String {
    let named: String?
    switch split {
    case .train: named = config.trainFile
    case .validation: named = config.validationFile
    case .test: named = config.testFile
    case .validationMismatched: named = nil
    }
    guard let named else { throw TaskError.noFileGiven(task: config.name.rawValue, split: split) }
    guard FileManager.default.fileExists(atPath: named) else {
      throw TaskError.missingFile(file: named, task: config.name.rawValue, split: split)
    }
    return named
  }

  /// The split's items, tokenized, and what was left out.
  func load(_ split: Split, _ tokens: LanguageTokens, pool: WorkerPool) throws -> EncodedDataset {
    let path = try file(split)
    let limit = split == .train ? config.maxTrainSamples : config.maxEvalSamples
    return config.name == .causalLM
      ? try blocks(path, limit: limit, tokens, pool) : try answers(path, limit: limit, tokens, pool)
  }

  /// The ids of what is to be continued: a text, an instruction in its template, or a meaning representation with the
  /// end-of-text token after it, as LoRA's code has it.
  func prompt(_ text: String, input: String = "", _ tokens: LanguageTokens) -> [Int32] {
    switch config.name {
    case .instruct: tokens.tokenizer.encode(AlpacaTemplate.prompt(instruction: text, input: input)).ids
    case .e2e: tokens.tokenizer.encode(text).ids + [tokens.end]
    default: tokens.tokenizer.encode(text).ids
    }
  }

  /// Texts end to end in blocks of `max_seq_length`.
  private func blocks(_ path: String, limit: Int?, _ tokens: LanguageTokens, _ pool: WorkerPool) throws
    -> EncodedDataset
  {
    let documents: [[Int32]]
    if path.hasSuffix(".jsonl") {
      let records = try LanguageRecords(path: path).nodes
      let texts = try records.map { try $0.text("text", file: path) }
      documents = pool.chunks(texts) { tokens.tokenizer.encode($0).ids + [tokens.end] }
    } else {
      let text = try LanguageRecords.text(path: path)
      documents = [tokens.tokenizer.encode(text).ids]
    }
    let items = EncodedDataset.blocks(documents, length: config.maxSeqLength)
    return EncodedDataset(items: limit.map { Array(items.prefix($0)) } ?? items)
  }

  /// Prompts with their answers: for `instruct` of at most `max_seq_length` tokens each, for `e2e` together.
  private func answers(_ path: String, limit: Int?, _ tokens: LanguageTokens, _ pool: WorkerPool) throws
    -> EncodedDataset
  {
    var data = EncodedDataset(items: [])
    let pairs = try config.name == .e2e ? references(path, limit) : records(path, limit, &data.leftOut)
    let encoded = pool.chunks(pairs) { pair in
      let answer = config.name == .e2e ? " " + pair.answer : pair.answer
      return (
        prompt: prompt(pair.prompt, input: pair.input, tokens),
        answer: tokens.tokenizer.ids(of: answer) + [tokens.end]
      )
    }
    let length = config.maxSeqLength, together = config.name == .e2e
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
    let limit = "than \(length) tokens (task.max_seq_length)"
    if cutPrompts > 0 { data.leftOut.append("\(path): \(cutPrompts) prompts of more \(limit) were cut to that") }
    if cutAnswers > 0 { data.leftOut.append("\(path): \(cutAnswers) answers of more \(limit) were cut to that") }
    if tooLong > 0 { data.leftOut.append("left out: \(path): \(tooLong) prompts with no room left for an answer") }
    return EncodedDataset(items: items, leftOut: data.leftOut)
  }

  private typealias Pair = (prompt: String, input: String, answer: String)

  private func references(_ path: String, _ limit: Int?) throws -> [Pair] {
    try E2EFile(path: path).rows.prefix(limit ?? .max).map { ($0.meaning, "", $0.reference) }
  }

  private func records(_ path: String, _ limit: Int?, _ leftOut: inout [String]) throws -> [Pair] {
    var pairs: [Pair] = []
    for node in try LanguageRecords(path: path).nodes.prefix(limit ?? .max) {
      let answer = try node.text("output", file: path)
      if answer.isEmpty {
        leftOut.append("left out: \(path):\(node.line): the answer (\"output\") is empty")
        continue
      }
      pairs.append((try node.text("instruction", file: path), node["input"]?.string ?? "", answer))
    }
    return pairs
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
}

/// The prompt of Stanford Alpaca (github.com/tatsu-lab/stanford_alpaca).
enum AlpacaTemplate {
  static func prompt(instruction: String, input: String) -> String {
    let pairing = input.isEmpty ? "" : ", paired with an input that provides further context"
    return "Below is an instruction that describes a task\(pairing). Write a response that appropriately completes the "
      + "request.\n\n### Instruction:\n\(instruction)\n\n" + (input.isEmpty ? "" : "### Input:\n\(input)\n\n")
      + "### Response:"
  }
}

/// The objects of a JSON list, or of a JSONL file.
struct LanguageRecords {
  let nodes: [JSONNode]

  init(path: String) throws {
    let text = Array(try Self.text(path: path).utf8)
    if text.first(where: { !" \t\r\n".utf8.contains($0) }) == UInt8(ascii: "[") {
      nodes = try JSONParser.parse(text, file: path).array ?? []
      return
    }
    nodes = try text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated()
      .filter { line in line.element.contains { !" \t\r".utf8.contains($0) } }
      .map { line in
        do {
          return JSONNode(try JSONParser.parse(Array(line.element), file: path).value, line: line.offset + 1)
        } catch {
          // Once more with the lines before it, for an error that names the right one.
          let before = [UInt8](repeating: UInt8(ascii: "\n"), count: line.offset)
          return try JSONParser.parse(before + line.element, file: path)
        }
      }
  }

  static func text(path: String) throws -> String {
    let file = try MappedFile(path: path)
    guard let text = String(validating: file.bytes, as: UTF8.self) else {
      throw TaskError.unreadable(file: path, reason: "is not UTF-8")
    }
    return text
  }
}

extension JSONNode {
  fileprivate func text(_ key: String, file: String) throws -> String {
    guard let text = self[key]?.string else { throw RunError.missingKey(file: file, line: line, key: key) }
    return text
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
