import Diagnostics

extension SentenceReader {
  /// The fields of CoNLL-U, which have no header.
  static let universalFields = ["ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC"]

  /// The sentences of a file in CoNLL's columns: a word a line, a blank line between sentences.
  ///
  /// - Fields end at TABs if the first row has one, else at spaces. All rows have equally many.
  /// - Rows that begin with `-DOCSTART-` are no words.
  /// - If a column is given by name, the first row has the names.
  /// - In `.conllu` files lines that begin with `#` are comments, the fields have names of their own, and rows of several
  ///   words (`1-2`) or of none (`1.1`) are left out. Elsewhere `#` is a word.
  func columns(_ bytes: [UInt8], _ file: String, _ needsTags: Bool) throws -> SentenceFile {
    let isUniversal = file.lowercased().hasSuffix(".conllu")
    var result = SentenceFile(file: file, sentences: []), sentence: StoredSentence?
    var layout: ColumnLayout?, problems: [TaskError] = [], beside: [Int] = []
    for (index, line) in try textLines(bytes, file: file).enumerated() {
      let number = index + 1
      if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) {
        if let done = sentence { result.sentences.append(done) }
        sentence = nil
        continue
      }
      if isUniversal, line.first == UInt8(ascii: "#") { continue }
      guard let known = layout else {
        // Of a file that begins with -DOCSTART- that row tells nothing of the others.
        let first = ColumnLayout.fields(line, isTabbed: line.contains(0x09))
        if first.first == Self.documentStart { continue }
        let made = try ColumnLayout(
          self, line, file: file, line: number, isUniversal: isUniversal, needsTags: needsTags)
        layout = made
        if !made.hasHeader {
          read(line, number, made, &sentence, &problems, &beside, file)
        }
        continue
      }
      read(line, number, known, &sentence, &problems, &beside, file)
    }
    if let done = sentence { result.sentences.append(done) }
    try problems.throwIfAny()
    if !beside.isEmpty {
      result.notices.append(
        notice("left out \(counted(beside.count, "row")) of several words or of none", file: file, lines: beside))
    }
    return result
  }

  private static let documentStart = "-DOCSTART-"

  private func read(
    _ line: ArraySlice<UInt8>, _ number: Int, _ layout: ColumnLayout, _ sentence: inout StoredSentence?,
    _ problems: inout [TaskError], _ beside: inout [Int], _ file: String
  ) {
    let fields = ColumnLayout.fields(line, isTabbed: layout.isTabbed)
    if fields.first == Self.documentStart { return }
    guard fields.count == layout.count else {
      problems.append(
        .badRecord(
          file: file, line: number,
          problem: "\(counted(fields.count, "field")), but the first row has \(layout.count)"
            + (layout.isTabbed ? " (fields end at TABs, as in the first row)" : "")))
      return
    }
    if layout.isUniversal, !fields[0].utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
      beside.append(number)
      return
    }
    if let column = layout.tags, fields[column].isEmpty { problems.append(.emptyLabel(file: file, line: number)) }
    var current = sentence ?? StoredSentence(tags: layout.tags == nil ? nil : [], line: number, lines: [])
    current.words.append(fields[layout.words])
    if let column = layout.tags { current.tags?.append(.name(fields[column])) }
    current.lines?.append(number)
    sentence = current
  }
}

/// Where word and tag stand in the rows of a file.
private struct ColumnLayout {
  let isTabbed: Bool
  let isUniversal: Bool
  /// Whether the first row has the names.
  let hasHeader: Bool
  /// Fields of every row.
  let count: Int
  let words: Int
  /// Nil in files without tags.
  let tags: Int?

  init(
    _ reader: SentenceReader, _ first: ArraySlice<UInt8>, file: String, line: Int, isUniversal: Bool, needsTags: Bool
  ) throws(TaskError) {
    self.isUniversal = isUniversal
    isTabbed = first.contains(0x09)
    let fields = Self.fields(first, isTabbed: isTabbed)
    count = fields.count
    var names: [String]?
    for case .name? in [reader.words, reader.tags] { names = isUniversal ? SentenceReader.universalFields : fields }
    hasHeader = names != nil && !isUniversal
    func number(_ column: Column?, usual: Int) throws(TaskError) -> Int? {
      let found: Int?
      switch column {
      case nil: found = usual
      case .index(let index): found = index
      case .name(let name): found = names?.place(of: name)
      }
      return found.flatMap { fields.indices.contains($0) ? $0 : nil }
    }
    guard let word = try number(reader.words, usual: isUniversal ? 1 : 0) else {
      throw .missingColumn(file: file, column: reader.words ?? .index(0), header: names)
    }
    words = word
    let tag = try number(reader.tags, usual: isUniversal ? 3 : fields.count - 1)
    guard let tag, tag != word else {
      guard needsTags else {
        tags = nil
        return
      }
      if reader.tags != nil, tag == nil {
        throw .missingColumn(file: file, column: reader.tags ?? .index(0), header: names)
      }
      throw .badRecord(
        file: file, line: line,
        problem: fields.count == 1
          ? "1 field; a word and its tag are needed, with spaces or a TAB between them"
          : "word and tag are the same column; text_columns or label_column names another")
    }
    tags = tag
  }

  /// The fields of a line.
  static func fields(_ line: ArraySlice<UInt8>, isTabbed: Bool) -> [String] {
    line.split(separator: isTabbed ? 0x09 : 0x20, omittingEmptySubsequences: !isTabbed)
      .map { String(decoding: $0, as: UTF8.self) }
  }
}
