import StrictJSON

/// A sentence cut into words, each with its tag where that is known.
public struct TaggedSentence: Sendable, Equatable {
  /// The words, verbatim.
  public let words: [String]
  /// The class of every word; nil in unlabelled files.
  public let tags: [Int]?
  /// The file it comes from.
  public let file: String
  /// The 1-based line on which it begins.
  public let line: Int

  /// A sentence of its parts; as many tags as words.
  public init(words: [String], tags: [Int]? = nil, file: String, line: Int) {
    (self.words, self.tags, self.file, self.line) = (words, tags, file, line)
  }
}

/// A tag as a file has it.
enum StoredTag: Sendable, Equatable {
  case name(String)
  case number(Int)
}

/// A sentence as a file has it.
struct StoredSentence: Sendable {
  var words: [String] = []
  /// Nil in unlabelled files.
  var tags: [StoredTag]?
  var line: Int
  /// The line of every word in files of columns; nil in JSON, where a sentence is one record.
  var lines: [Int]?

  /// The line of word number `index`.
  func line(of index: Int) -> Int { lines?[index] ?? line }
}

/// Reads sentences of words with tags: CoNLL's columns, or records of JSON.
struct SentenceReader: Sendable {
  /// The column or key of the words; nil: the first column, or `tokens`.
  let words: Column?
  /// The column or key of the tags; nil: the last column, or the first of `tagKeys`.
  let tags: Column?
  /// Nil: as the file's ending tells.
  let format: FileFormat?

  /// The usual keys of tags, those of a data set of the Hub first.
  static let tagKeys = ["ner_tags", "tags", "labels", "pos_tags"]

  /// The sentences of a file. Tags may be missing where `needsTags` is false.
  func read(_ bytes: [UInt8], file: String, needsTags: Bool) throws -> SentenceFile {
    // A file that ends in .text is none of continuous text here.
    let ending = FileFormat(ending: file), format = format ?? (ending == .text ? nil : ending)
    if let format, format == .csv || format == .text { throw TaskError.noSentences(file: file, format: format) }
    let found =
      try format?.isJSON == true
      ? records(bytes, file, format ?? .jsonl, needsTags) : columns(bytes, file, needsTags)
    if found.sentences.isEmpty { throw TaskError.emptyFile(file: file) }
    return found
  }

  // MARK: - JSON

  private func records(
    _ bytes: [UInt8], _ file: String, _ format: FileFormat, _ needsTags: Bool
  ) throws -> SentenceFile {
    let table = try Table(bytes: bytes, file: file, format: format)
    let wordKey = try key(words, file) ?? "tokens"
    let given = try key(tags, file)
    let tagKey = given ?? Self.tagKeys.first { table.rows.first?.object?[$0] != nil } ?? Self.tagKeys[0]
    var empty: [Int] = []
    let sentences = try table.rows.mapAll { (row) throws(TaskError) -> StoredSentence? in
      guard let object = row.object else { return nil }
      func problem(_ text: String) -> TaskError { .badRecord(file: file, line: row.line, problem: text) }
      guard let node = object[wordKey], !node.isNull else {
        let hint = words == nil ? "; text_columns names another key" : ""
        throw problem("\(wordKey) is missing\(hint)")
      }
      guard let list = node.array else { throw problem("\(wordKey) must be a list of words, not \(node.kind)") }
      var sentence = StoredSentence(line: row.line)
      for (index, element) in list.enumerated() {
        guard let word = element.string else {
          throw problem("\(wordKey)[\(index)] must be a word as a string, not \(element.kind)")
        }
        sentence.words.append(word)
      }
      if let node = object[tagKey], !node.isNull {
        guard let list = node.array else { throw problem("\(tagKey) must be a list of tags, not \(node.kind)") }
        sentence.tags = try list.enumerated().map { index, element throws(TaskError) in
          if let name = element.string { return .name(name) }
          if let number = element.integer { return .number(number) }
          throw problem("\(tagKey)[\(index)] must be a tag's name or number, not \(element.kind)")
        }
        if list.count != sentence.words.count {
          let tags = counted(list.count, "tag"), words = counted(sentence.words.count, "word")
          throw problem("\(tagKey) has \(tags), but \(wordKey) has \(words)")
        }
      } else if needsTags {
        let hint = tags == nil ? "; label_column names another key" : ""
        throw problem("\(tagKey) is missing\(hint)")
      }
      if sentence.words.isEmpty {
        empty.append(row.line)
        return nil
      }
      return sentence
    }
    var file = SentenceFile(file: file, sentences: sentences.compactMap(\.self))
    if !empty.isEmpty {
      file.notices.append(
        notice("left out \(counted(empty.count, "sentence")) without a word", file: file.file, lines: empty))
      if file.sentences.isEmpty { throw TaskError.nothingUsable(file: file.file, reasons: ["no word"]) }
    }
    return file
  }

  private func key(_ column: Column?, _ file: String) throws(TaskError) -> String? {
    switch column {
    case .name(let name): return name
    case .index: throw .numberedColumn(file: file, column: column ?? .index(0))
    case nil: return nil
    }
  }
}

/// What a file of sentences holds.
struct SentenceFile: Sendable {
  let file: String
  var sentences: [StoredSentence]
  /// What was left out of it.
  var notices: [String] = []
}
