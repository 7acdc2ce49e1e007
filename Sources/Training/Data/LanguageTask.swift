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
    return config.name == .instruct
      ? try answers(path, limit: limit, tokens, pool) : try blocks(path, limit: limit, tokens, pool)
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

  /// Prompts with their answers, each of at most `max_seq_length` tokens.
  private func answers(_ path: String, limit: Int?, _ tokens: LanguageTokens, _ pool: WorkerPool) throws
    -> EncodedDataset
  {
    var leftOut: [String] = [], pairs: [(prompt: String, answer: String)] = []
    for node in try LanguageRecords(path: path).nodes.prefix(limit ?? .max) {
      let answer = try node.text("output", file: path)
      if answer.isEmpty {
        leftOut.append("left out: \(path):\(node.line): the answer (\"output\") is empty")
        continue
      }
      let prompt = AlpacaTemplate.prompt(
        instruction: try node.text("instruction", file: path), input: node["input"]?.string ?? "")
      pairs.append((prompt, answer))
    }
    let length = config.maxSeqLength
    let encoded = pool.chunks(pairs) { pair in
      (prompt: tokens.tokenizer.encode(pair.prompt).ids, answer: tokens.tokenizer.ids(of: pair.answer) + [tokens.end])
    }
    for (what, count) in [
      ("prompts", encoded.count { $0.prompt.count > length }), ("answers", encoded.count { $0.answer.count > length }),
    ] where count > 0 {
      leftOut.append("\(path): \(count) \(what) of more than \(length) tokens (task.max_seq_length) were cut to that")
    }
    var data = EncodedDataset(
      items: encoded.map {
        EncodedDataset.Item(prompt: Array($0.prompt.prefix(length)), answer: Array($0.answer.prefix(length)))
      })
    data.leftOut = leftOut
    return data
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
