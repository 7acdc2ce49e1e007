/// Texts that a model wrote, one for each meaning representation of an E2E file, in its order.
public struct GeneratedTexts: Sendable {
  /// The texts.
  public let texts: [String]
  /// Where they come from.
  public let file: String

  /// Texts of a model.
  public init(texts: [String], file: String) { (self.texts, self.file) = (texts, file) }

  /// Reads one text a line, or the table that `table` writes.
  public init(path: String) throws { try self.init(bytes: readFile(path), file: path) }

  /// Reads `bytes` as the file `file`.
  public init(bytes: [UInt8], file: String) throws {
    let lines = try TextLines(bytes: bytes, file: file).lines.map { String(decoding: $0, as: UTF8.self) }
    guard let first = lines.first else { throw TaskError.emptyFile(file: file) }
    self.file = file
    guard first.hasPrefix(Self.header) else {
      texts = lines
      return
    }
    var problems = FileProblems(file: file)
    texts = lines.dropFirst().enumerated().map { number, line in
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
      if fields.count < 2 || String(fields[0]) != String(number) {
        problems.add(
          .badRecord(file: file, line: number + 2, problem: "must be \(number), a TAB and a text: rows are in order"))
      }
      return fields.count < 2 ? "" : String(fields[1])
    }
    try problems.throwIfAny()
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
