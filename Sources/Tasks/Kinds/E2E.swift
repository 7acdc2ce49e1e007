import Algorithms
import Diagnostics
import Metrics

extension Task {
  /// The E2E NLG challenge: meanings to put into words.
  public static let e2e = Task(
    "e2e", summary: "The E2E NLG challenge: meaning representations to put into words",
    files: [.train: ["trainset.csv"], .validation: ["devset.csv"], .test: ["testset_w_refs.csv"]], labels: .none,
    metrics: [.perplexity], options: [.fileFormat, .delimiter], isScoredByTexts: true
  ) { opening in
    let style = opening.options.tableStyle
    var reader = TaskReader(labels: nil, objective: LanguageModelling()) {
      try PromptedDataset(e2e: $0.paths, style: style, groups: false).split($0)
    }
    reader.references = { request in
      var data = try PromptedDataset(e2e: request.paths, style: style, groups: true)
      data.examples = Array(data.examples.prefix(request.limit))
      return data
    }
    reader.prompts = PromptFormat { encoder in
      PromptEncoder(ids: { try encoder.prompt(meaningPrompt($0) ?? $0, ends: true) })
    }
    return reader
  }
}

/// The prompt of the published GPT-2 runs for an E2E meaning representation: `name[The Vaults], eatType[pub]` becomes
/// `name : The Vaults | Type : pub`. Nil where the text is no such list.
private func meaningPrompt(_ text: String) -> String? {
  let spoken = ["eatType": "Type", "priceRange": "price", "familyFriendly": "family friendly"]
  var parts: [String] = [], rest = text[...]
  while true {
    guard let open = rest.firstIndex(of: "["), let close = rest[open...].firstIndex(of: "]") else { return nil }
    let name = String(rest[..<open]).trimmed
    if name.isEmpty { return nil }
    parts.append("\(spoken[name] ?? name) : \(rest[rest.index(after: open)..<close])")
    rest = rest[close...].dropFirst().drop { $0.isWhitespace }
    if rest.isEmpty { return parts.joined(separator: " | ") }
    guard rest.popFirst() == "," else { return nil }
  }
}

extension PromptedDataset {
  /// Reads files of the E2E NLG challenge with the columns `mr` and `ref`: CSV, or as `style` or their endings tell.
  ///
  /// For training every row is an example; for evaluation (`groups`) every meaning representation is one, in the order
  /// of its first row, with all its references. Rows without a reference are left out.
  ///
  /// A prompt ends with the end-of-text token, and an answer begins with a space, as in LoRA's experiments.
  public init(e2e paths: [String], style: TableStyle = TableStyle(), groups: Bool) throws {
    try self.init(e2e: paths.map { try Table(path: $0, style: style, otherwise: .csv) }, groups: groups)
  }

  init(e2e tables: [Table], groups: Bool) throws {
    let files = try tables.map(Self.meanings), rows = files.flatMap(\.values)
    // Bytes: for Swift, strings of other code points may be equal.
    let sameMeaning = Dictionary(grouping: rows) { ExactText($0.mr) }
    let examples = (groups ? Array(rows.uniqued { ExactText($0.mr) }) : rows).map { row in
      PromptedText(
        prompt: row.prompt, endsPrompt: true, answer: " " + row.ref,
        references: groups ? sameMeaning[ExactText(row.mr), default: []].map(\.ref) : [row.ref], file: row.file,
        line: row.line)
    }
    self.init(examples: examples, file: named(tables.map(\.file)), skipped: files.flatMap(\.skipped))
  }

  private struct Meaning {
    let mr: String
    let prompt: String
    let ref: String
    let file: String
    let line: Int
  }

  /// The rows of a file that have a reference, and notices about the others.
  private static func meanings(_ table: Table) throws -> (values: [Meaning], skipped: [String]) {
    let file = table.file, names = table.header?.map { $0.trimmed.lowercased() }
    if let header = table.header, let names, !names.contains("mr") || !names.contains("ref") {
      throw TaskError.badRecord(
        file: file, line: 1, problem: "the header must have the columns mr and ref, found \(listed(header))")
    }
    func text(_ name: String, _ row: Row) throws(TaskError) -> String {
      if let field = names?.firstIndex(of: name).flatMap(row.field) { return field }
      return try table.text(name, of: row) ?? ""
    }
    return try table.usable { (row) throws(TaskError) in
      let mr = try text("mr", row), ref = try text("ref", row)
      guard let prompt = meaningPrompt(mr) else {
        throw .badRecord(
          file: file, line: row.line, problem: "\"\(mr)\" is no list like name[The Vaults], eatType[pub]")
      }
      return ref.trimmed.isEmpty
        ? .skip("an empty reference")
        : .use(Meaning(mr: mr, prompt: prompt, ref: ref, file: file, line: row.line))
    }
  }
}

/// Texts that a model wrote, one for each meaning representation of an E2E file, in its order.
public struct GeneratedTexts: Sendable {
  /// The texts.
  public let texts: [String]
  /// Where they come from.
  public let file: String

  /// Texts of a model.
  public init(texts: [String], file: String) { (self.texts, self.file) = (texts, file) }

  /// Reads one text a line, or the table that `table` writes.
  public init(path: String) throws {
    let lines = try textLines(readFile(path), file: path).map { String(decoding: $0, as: UTF8.self) }
    guard let first = lines.first else { throw TaskError.emptyFile(file: path) }
    guard first.hasPrefix(Self.header) else {
      self.init(texts: lines, file: path)
      return
    }
    let texts = try lines.dropFirst().enumerated().mapAll { (number, line) throws(TaskError) in
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
      guard fields.count > 1, fields[0] == "\(number)" else {
        throw .badRecord(
          file: path, line: number + 2, problem: "must be \(number), a TAB and a text: rows are in order")
      }
      return String(fields[1])
    }
    self.init(texts: texts, file: path)
  }

  private static let header = "index\tprediction"

  /// The texts as TSV with a header: number, text, and the first reference of `examples` as a label.
  public func table(_ examples: [PromptedText]) -> String {
    zip(texts, examples).enumerated().reduce(into: Self.header + "\tlabel\n") { table, row in
      let cells = [String(row.offset), row.element.0, row.element.1.references.first ?? ""]
      table += cells.map(Self.cell).joined(separator: "\t") + "\n"
    }
  }

  /// A text without the characters that end a cell or a line.
  private static func cell(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { ["\t", "\n", "\r"].contains($0) ? " " : $0 }))
  }

  /// Throws unless there is one text for each of the meaning representations in `references`.
  public func requireFit(_ references: PromptedDataset) throws {
    guard texts.count == references.examples.count else {
      throw TaskError.textCount(
        file: file, found: texts.count, references: references.file, expected: references.examples.count)
    }
  }
}
