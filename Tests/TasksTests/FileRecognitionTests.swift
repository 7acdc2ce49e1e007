import Testing

@testable import Tasks

/// Files are never learned as something that they are not.
@Suite struct FileRecognitionTests {
  @Test(arguments: [
    ("PAR1\u{15}", "Parquet", "convert it to JSONL or CSV"), ("ARROW1\0\0", "Arrow", "convert it to JSONL or CSV"),
    ("SQLite format 3\0", "SQLite", "convert it to JSONL or CSV"),
    ("%PDF-1.7", "PDF", "extract its text first (pdftotext)"), ("BZh91AY", "bzip2", "unpack it first (bunzip2)"),
    ("PK\u{3}\u{4}", "ZIP (or a document of an office program)", "unpack it, or export it as CSV or text"),
    ("{\\rtf1", "RTF", "save it as plain text"), ("GGUF\u{3}", "GGUF", "this is a model, not data"),
  ]) func otherFormatsAreNamed(start: String, format: String, advice: String) {
    let expected = "f: this is \(format), not text, CSV, TSV, JSONL or JSON; \(advice)"
    #expect(message { try ForeignFormat.refuse(Array(start.utf8), file: "f") } == expected)
  }

  @Test func bytesThatAreNoText() {
    func format(_ bytes: [UInt8]) -> String {
      message { try ForeignFormat.refuse(bytes, file: "f") }.prefix { $0 != "," }.description
    }
    #expect(format([0x1F, 0x8B, 8, 0]) == "f: this is gzip")
    #expect(format([0x28, 0xB5, 0x2F, 0xFD]) == "f: this is Zstandard")
    #expect(
      format([0xFF, 0xFE, 0x61, 0]) == "f: this is UTF-16" && format([0xFE, 0xFF, 0, 0x61]) == "f: this is UTF-16")
    #expect(format([0xFF, 0xFE, 0, 0]) == "f: this is UTF-32")
    let latin = Array("a great film".utf8)
    #expect(format(latin.flatMap { [$0, 0] }) == "f: this is UTF-16")
    #expect(format(latin.flatMap { [0, $0] }) == "f: this is UTF-16")
    #expect(format([UInt8](repeating: 0x20, count: 257) + Array("ustar".utf8)) == "f: this is tar")
  }

  @Test(arguments: ["", "a", "PAR", "a\0b plain text", "naïve café", "# BZh", "Obj", "[1] A footnote.", "{"])
  func textIsLeftAlone(text: String) throws {
    try ForeignFormat.refuse(Array(text.utf8), file: "f")
    #expect(FileFormat(recognizedIn: Array(text.utf8)[...], column: .name("text")) == nil)
  }

  @Test(arguments: [
    (#"{"text": "a"}"#, FileFormat.jsonl), ("\n {\"a\": 1}\r\n\n{\"b\": 2}\n", .jsonl),
    (#"[{"text": "a"}]"#, .json), (#"["a", "b"]"#, .json), ("{\n \"text\": [\"a\"]\n}", .json),
    ("id,text\n1,a", .csv), ("\"id\";\"text\"\r\n1;a", .csv), ("text\tlabel\na\t1", .tsv),
  ]) func recordsAreRecognized(text: String, format: FileFormat) throws {
    #expect(
      FileFormat(recognizedIn: Array(text.utf8)[...], column: .name("text")) == format
    )
    let name = format.rawValue.uppercased()
    let expected =
      "a.txt: holds \(name), although its name does not end so; file_format (or --format) \"\(format.rawValue)\" reads its "
      + "records, \"text\" takes the file as it is"
    #expect(message { _ = try TextDocuments(bytes: Array(text.utf8), file: "a.txt") } == expected)
    // What comes by a pipe is text as it is.
    let piped = PredictionInput(bytes: Array(text.utf8), name: "stdin")
    #expect(try piped.texts(style: TableStyle(), column: .name("text")).count > 0)
  }

  @Test func aFormatThatIsGivenCounts() throws {
    let json = Array(#"{"body": "a"}"#.utf8)
    let asText = try TextDocuments(bytes: json, file: "a.txt", style: TableStyle(format: .text))
    #expect(asText.documents == [#"{"body": "a"}"#] && !asText.areRecords)
    let records = try TextDocuments(
      bytes: json, file: "a.txt", style: TableStyle(format: .jsonl), column: .name("body"))
    #expect(records.documents == ["a"] && records.areRecords)
    let table = try TextDocuments(bytes: Array("x\ty\na\tb".utf8), file: "a.tsv", column: .index(1))
    #expect(table.documents == ["b"])
    #expect(
      message { _ = try TextDocuments(bytes: Array("x\ty\na\tb".utf8), file: "a.tsv") }
        == "a.tsv:1: no column \"text\"; the header has \"x\", \"y\"")
    #expect(
      message { _ = try Table(bytes: json, file: "a.x", format: .text) }
        == "task.file_format: \"text\" has no columns; a.x is read as a table")
  }

  @Test func jsonFilesMayHaveOneObjectALine() throws {
    let lines = "{\"text\": \"a\"}\n\n{\"text\": \"b\", \"n\": 7}\n"
    #expect(try TextDocuments(bytes: Array(lines.utf8), file: "a.json").documents == ["a", "b"])
    #expect(
      message { _ = try TextDocuments(bytes: Array((lines + "{\"text\": 7}").utf8), file: "a.json") }
        == "a.json:4: text must be a string, not a whole number")
    let one = Array(#"{"text": "a"}"#.utf8)
    #expect(
      message { _ = try TextDocuments(bytes: one, file: "a.json") }.hasPrefix("a.json:1: must be a list of objects"))
  }

  @Test func oneColumnHasTheTexts() throws {
    var options = TaskOptions(name: "causal-lm")
    options.textColumns = [.name("a"), .name("b")]
    #expect(
      message { _ = try TaskData(options) } == "task.text_columns: must be one column for causal-lm, found 2")
    options.textColumns = [.name("a")]
    _ = try TaskData(options)
  }

  @Test func promptsAreReadFromTables() throws {
    func texts(_ text: String, _ format: FileFormat?, _ column: Column = .name("text")) throws -> [String] {
      try PredictionInput(bytes: Array(text.utf8), name: "stdin").texts(
        style: TableStyle(format: format), column: column)
    }
    #expect(try texts("\u{FEFF}a\r\n\nb", nil) == ["a", "", "b"])
    #expect(try texts("{\"text\": \"a\\nb\"}\n{\"text\": \"\"}", .jsonl) == ["a\nb", ""])
    #expect(try texts("q,text\n1,\"a, b\"", .csv, .name("q")) == ["1"])
    #expect(message { _ = try texts("{\"q\": 1}", .jsonl) }.hasPrefix("stdin:1: no text under \"text\", only \"q\""))
  }
}
