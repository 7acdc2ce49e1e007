import Kernels
import Metrics

extension Task {
  /// Texts to continue.
  public static let causalLM = Task(
    "causal-lm",
    summary: "Texts to continue: plain text, or the field \"text\" (or text_columns) of JSONL, JSON, CSV or TSV",
    files: [
      .train: ["train.txt", "train.jsonl"], .validation: ["validation.txt", "valid.txt", "validation.jsonl"],
      .test: ["test.txt", "test.jsonl"],
    ], labels: .none, metrics: [.perplexity], options: [.fileFormat, .delimiter, .textColumns]
  ) { opening in
    let style = opening.options.tableStyle, columns = opening.options.textColumns ?? [TextDocuments.usualColumn]
    guard columns.count == 1 else {
      throw TaskError.badOption(
        key: "text_columns", problem: "must be one column for causal-lm, found \(columns.count)")
    }
    return TaskReader(labels: nil, objective: LanguageModelling()) { request in
      let texts = try request.paths.map { try TextDocuments(path: $0, style: style, column: columns[0]) }
      return SplitData(files: request.paths) { try EncodedDataset(texts, limit: request.limit, encoder: $0) }
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
