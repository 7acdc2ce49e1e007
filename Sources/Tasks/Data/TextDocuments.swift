/// A text to learn to continue.
public struct TextDocument: Sendable, Equatable {
  /// The text, verbatim.
  public let text: String
  /// 1-based line in the file.
  public let line: Int

  /// A document.
  public init(text: String, line: Int) { (self.text, self.line) = (text, line) }
}

/// The documents of a file for `causal-lm`.
public struct TextDocuments: Sendable {
  /// The documents, in file order.
  public let documents: [TextDocument]
  /// Where they come from.
  public let file: String
  /// What could not be used.
  public let skipped: [SkippedRecords]
  /// Whether the documents are records, each a text of its own.
  public let areRecords: Bool

  /// Reads a plain text, which is one document, or JSONL by its ending, whose every `{"text": …}` is one.
  public init(path: String) throws { try self.init(bytes: readFile(path), file: path) }

  /// Reads `bytes` as the file `file`.
  public init(bytes: [UInt8], file: String) throws {
    self.file = file
    areRecords = FileFormat(ending: file) == .jsonl
    guard areRecords else {
      // Checks UTF-8, line by line.
      _ = try TextLines(bytes: bytes, file: file)
      let text = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes[...]
      if text.isEmpty { throw TaskError.emptyFile(file: file) }
      documents = [TextDocument(text: String(decoding: text, as: UTF8.self), line: 1)]
      skipped = []
      return
    }
    let table = try Table(bytes: bytes, file: file, format: .jsonl)
    var documents: [TextDocument] = []
    var problems = FileProblems(file: file), skips = SkipList(file: file)
    for row in table.rows {
      switch table.text("text", of: row) {
      case .success(let text):
        if let text, !text.isEmpty {
          documents.append(TextDocument(text: text, line: row.line))
        } else {
          skips.add("an empty text", line: row.line)
        }
      case .failure(let problem): problems.add(problem)
      }
    }
    try problems.throwIfAny()
    try skips.throwIfNothingLeft(of: table.rows.count)
    (self.documents, skipped) = (documents, skips.all)
  }
}
