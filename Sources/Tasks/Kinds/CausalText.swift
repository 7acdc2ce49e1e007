import Kernels
import Metrics

extension Task {
  /// Texts to continue.
  public static let causalLM = Task(
    "causal-lm", summary: "Texts to continue: plain text, or the field \"text\" of JSONL, JSON or CSV",
    files: [
      .train: ["train.txt", "train.jsonl"], .validation: ["validation.txt", "valid.txt", "validation.jsonl"],
      .test: ["test.txt", "test.jsonl"],
    ], labels: .none, metrics: [.perplexity], options: [.fileFormat, .delimiter]
  ) { opening in
    let style = opening.options.tableStyle

    return TaskReader(labels: nil, objective: LanguageModelling()) { request in
      let texts = try request.paths.map { try TextDocuments(path: $0, style: style) }
      return SplitData(files: request.paths) { try EncodedDataset(texts, limit: request.limit, encoder: $0) }
    }
  }
}

/// The documents of a file for `causal-lm`.
package struct TextDocuments: Sendable {
  package let documents: [String]
  package let skipped: [String]
  /// Whether the documents are records, each a text of its own.
  let areRecords: Bool

  /// Reads a plain text, which is one document, or as `style` or its ending tells a table, where every `text` is one.
  package init(path: String, style: TableStyle = TableStyle()) throws {
    try self.init(bytes: readFile(path), file: path, style: style)
  }

  init(bytes: [UInt8], file: String, style: TableStyle = TableStyle()) throws {
    let format = try style.format(of: file, otherwise: .tsv)
    areRecords = format != .tsv || style.format != nil
    guard areRecords else {
      // Checks UTF-8, line by line.
      _ = try textLines(bytes, file: file)
      let text = withoutMark(bytes)
      if text.isEmpty { throw TaskError.emptyFile(file: file) }
      (documents, skipped) = ([String(decoding: text, as: UTF8.self)], [])
      return
    }
    let table = try Table(bytes: bytes, file: file, format: format, delimiter: style.separator())
    (documents, skipped) = try table.usable { (row) throws(TaskError) in
      let text = try table.text("text", of: row) ?? ""
      return text.isEmpty ? .skip("an empty text") : .use(text)
    }
  }
}

extension EncodedDataset {
  /// Packs the texts of files end to end into blocks of `max_seq_length` tokens and keeps the first `limit`. A record's text ends
  /// with the token for that; a plain text, which is one document, does not.
  init(_ texts: [TextDocuments], limit: Int, encoder: TextEncoder) throws {
    let end = texts.contains(where: \.areRecords) ? [try encoder.end()] : []
    guard encoder.maxLength > 1 else {
      throw TaskError.badOption(
        key: "max_seq_length",
        problem: "must be at least 2, since each token is predicted from those before it; found 1")
    }
    let all = texts.flatMap { file in file.documents.map { (text: $0, ending: file.areRecords ? end : []) } }
    let documents = encoder.pool.map(each: all) { [tokenizer = encoder.tokenizer] document in
      tokenizer.encode(document.text).ids + document.ending
    }
    let blocks = packedBlocks(documents, length: encoder.maxLength).prefix(limit)
    self.init(items: blocks.map(Item.init(documents:)), leftOut: texts.flatMap(\.skipped))
  }
}

/// Packs documents, in their order, into blocks of `length` tokens (at least 2); the last may be shorter. A block is a
/// list of stretches of documents: attention stays inside of one, and its first token is predicted by nothing.
///
/// A document that does not fit goes on in the next block, as a stretch of its own, like Hugging Face's `run_clm` cuts
/// texts. A single token left over, or without room for another beside it, predicts nothing and is left out.
func packedBlocks(_ documents: [[Int32]], length: Int) -> [[[Int32]]] {
  precondition(length >= 2, "a block of fewer than two tokens predicts nothing")
  var blocks: [[[Int32]]] = [], room = 0
  for document in documents {
    var rest = document[...]
    while rest.count > 1 {
      if room < 2 {
        blocks.append([])
        room = length
      }
      let stretch = rest.prefix(room)
      blocks[blocks.count - 1].append(Array(stretch))
      room -= stretch.count
      rest = rest.dropFirst(stretch.count)
    }
  }
  return blocks
}
