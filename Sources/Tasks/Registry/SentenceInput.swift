import StrictJSON

extension Task {
  /// Whether the file at `path` looks like sentences of words with tags, by which `init` recognises it: records with
  /// `tokens` and tags, or columns with a blank line between sentences.
  public static func looksTagged(_ path: String) -> Bool {
    guard let bytes = try? readFile(path),
      let file = try? SentenceReader(words: nil, tags: nil, format: nil).read(bytes, file: path, needsTags: true)
    else { return false }
    // A table of one text and one label a line has no blank lines within.
    return FileFormat(ending: path) != nil && FileFormat(ending: path) != .tsv || file.sentences.count > 1
  }
}

extension PredictionInput {
  /// Sentences to tag: CoNLL's columns, JSONL or JSON as in the task's files, or one sentence a line with spaces between
  /// its words.
  ///
  /// The file's ending tells the format. Where it does not (`.txt`, a pipe) these are columns: a text that begins with
  /// `-DOCSTART-`, or whose lines all end with one of `tags`; and these are JSON: a text that begins with `{` or `[{`. All
  /// else is one sentence a line.
  func sentences(_ reader: SentenceReader, tags: [String]) throws -> SentenceFile {
    let ending = isPipe ? nil : FileFormat(ending: name)
    if let format = reader.format ?? (ending == .text ? nil : ending) ?? guessedJSON {
      let known = SentenceReader(words: reader.words, tags: reader.tags, format: format)
      return try known.read(bytes, file: name, needsTags: false)
    }
    let columnEndings = [".conllu", ".iob", ".iob2", ".bio", ".bioes", ".col"]
    if !isPipe, columnEndings.contains(where: name.lowercased().hasSuffix) || looksLikeColumns(tags) {
      return try reader.read(bytes, file: name, needsTags: false)
    }
    if isPipe, looksLikeColumns(tags) { return try reader.columns(bytes, name, false) }
    return try lines()
  }

  private var guessedJSON: FileFormat? {
    let start = withoutMark(bytes).prefix(4096).filter { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }.prefix(2)
    if start == [UInt8(ascii: "{"), UInt8(ascii: "\"")] { return .jsonl }
    return start == [UInt8(ascii: "["), UInt8(ascii: "{")] ? .json : nil
  }

  private func looksLikeColumns(_ tags: [String]) -> Bool {
    let known = Set(tags.map { Array($0.utf8) }), text = withoutMark(bytes)
    if text.starts(with: "-DOCSTART-".utf8) { return true }
    var rows = 0
    for line in text.split(separator: 0x0A) {
      let fields = line.split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
      guard let last = fields.last else { continue }
      if fields.count < 2 || !known.contains(Array(last)) { return false }
      rows += 1
    }
    return rows > 0
  }

  private func lines() throws -> SentenceFile {
    var file = SentenceFile(file: name, sentences: []), blank: [Int] = []
    for (index, line) in try textLines(bytes, file: name).enumerated() {
      let words = line.split { $0 == 0x20 || $0 == 0x09 }.map { String(decoding: $0, as: UTF8.self) }
      if words.isEmpty {
        blank.append(index + 1)
      } else {
        file.sentences.append(StoredSentence(words: words, line: index + 1))
      }
    }
    if file.sentences.isEmpty { throw TaskError.emptyFile(file: name) }
    if !blank.isEmpty {
      file.notices.append(notice("left out \(counted(blank.count, "line")) without a word", file: name, lines: blank))
    }
    if file.sentences.count > 1, file.sentences.allSatisfy({ $0.words.count == 1 }) {
      file.notices.append(
        "\(name): read as sentences of one word each; files with a word a line must end in .conll or .jsonl, or set "
          + "task.file_format")
    }
    return file
  }
}
