import Metrics
import Testing

@testable import Tasks

@Suite struct TSVFileTests {
  static func file(_ text: String, hasHeader: Bool = false) throws -> Table {
    try Table(bytes: Array(text.utf8), file: "t.tsv", format: .tsv, hasHeader: hasHeader)
  }

  @Test(arguments: [
    ("a\tb\nc\td\n", [["a", "b"], ["c", "d"]]),
    ("a\tb\r\nc\td\r\n", [["a", "b"], ["c", "d"]]),
    ("\u{FEFF}a\tb", [["a", "b"]]),
    ("a\u{FEFF}\tb", [["a\u{FEFF}", "b"]]),
    ("\"a\t\"b\" ", [["\"a", "\"b\" "]]),
    ("a\u{2028}b\u{85}c\u{B}d\u{C}e\rf\t1\n", [["a\u{2028}b\u{85}c\u{B}d\u{C}e\rf", "1"]]),
    ("a\r\r\nb", [["a\r"], ["b"]]),
    ("a\t\n\tb\n\t\t\n", [["a", ""], ["", "b"], ["", "", ""]]),
    ("a\n\nb\n\r\n\n", [["a"], [""], ["b"]]),
    ("e\u{301}\n\u{301}\tx", [["e\u{301}"], ["\u{301}", "x"]]),
  ])
  func cutsRowsAndFields(text: String, rows: [[String]]) throws {
    let found = try Self.file(text).rows.map(\.fields)
    #expect(found.map { $0.map { Array($0.unicodeScalars) } } == rows.map { $0.map { Array($0.unicodeScalars) } })
  }

  @Test func fieldsAreFoundByNumber() throws {
    let row = try #require(Self.file("a\t\tc\n").rows.first)
    #expect([0, 1, 2, 3].map { row.field($0) } == ["a", "", "c", nil])
    #expect(row.fieldCount == 3)
  }

  @Test func headerNamesColumns() throws {
    let file = try Self.file("\u{FEFF}text\tlabel\r\nhello\t1\r\n", hasHeader: true)
    #expect(file.header == ["text", "label"])
    #expect(file.rows.map(\.line) == [2])
    #expect(file.number(of: .name("label")) == 1)
    #expect(file.number(of: .name("Label")) == nil)
    #expect(file.number(of: .index(2)) == nil)
  }

  @Test func refusesWhatIsNotUTF8() {
    #expect(throws: TaskError.invalidUTF8(file: "t.tsv", line: 2)) {
      try Table(bytes: Array("a\n".utf8) + [0xC3, 0x28, 0x0A], file: "t.tsv", format: .tsv, hasHeader: false)
    }
  }

  @Test(arguments: ["", "\u{FEFF}", "\n", "\r\n\n"])
  func refusesEmptyFiles(text: String) {
    #expect(throws: TaskError.emptyFile(file: "t.tsv")) { try Self.file(text) }
  }

  @Test func refusesAHeaderAlone() {
    #expect(throws: TaskError.onlyHeader(file: "t.tsv")) { try Self.file("text\tlabel\n\n", hasHeader: true) }
  }
}
