import Foundation
import Testing

@Suite struct TokenizeTests {
  private let model = Sandbox.golden("bert-tiny")

  @Test func linesAndPairs() throws {
    let outcome = try Sandbox().run(
      "tokenize", model, "--tokens", input: "good film\r\nbad\tfilm\n\ngood\u{2028}film\u{85}bad\tgood\nlast")
    #expect(outcome.status == 0)
    #expect(
      outcome.out == """
        ["[CLS]","good","film","[SEP]"]
        ["[CLS]","bad","[SEP]","film","[SEP]"]
        ["[CLS]","[SEP]"]
        ["[CLS]","good","film","##b","##a","##d","[SEP]","good","[SEP]"]
        ["[CLS]","l","##a","##s","##t","[SEP]"]

        """)
  }

  @Test func idsAndTruncation() throws {
    let outcome = try Sandbox().run("tokenize", model, "--max-length", "3", input: "the the the\n")
    #expect(outcome.out.hasPrefix("[2,") && outcome.out.split(separator: ",").count == 3)
    #expect(try Sandbox().run("tokenize", model, "--max-length", "0").status == 64)
    #expect(try Sandbox().run("tokenize", model).out.isEmpty)
  }

  @Test func wrongLinesAreNamed() throws {
    let sandbox = try Sandbox()
    let tabs = try sandbox.run("tokenize", model, input: "a\nb\tc\td\n")
    #expect(tabs.status == 65 && tabs.err.contains("stdin:2: ") && tabs.out.split(separator: "\n").count == 1)
    try sandbox.write("latin1", Data([0x61, 0x0A, 0xE9, 0x0A]))
    let bytes = try sandbox.shell("\"$TOOL\" tokenize '\(model)' < latin1")
    #expect(bytes.status == 65 && bytes.err.contains("stdin:2: "))
    #expect(try sandbox.run("tokenize", "nowhere").status == 66)
  }

  @Test func hundredThousandLinesAndAReaderThatLeaves() throws {
    let sandbox = try Sandbox()
    try sandbox.write("lines", String(repeating: "the film is not very good\n", count: 100_000))
    let all = try sandbox.shell("\"$TOOL\" tokenize '\(model)' < lines | wc -l")
    #expect(all.status == 0 && all.out.trimmingCharacters(in: .whitespacesAndNewlines) == "100000")
    let first = try sandbox.shell("\"$TOOL\" tokenize '\(model)' < lines | head -1")
    #expect(first.status == 0 && first.err.isEmpty && first.out.hasPrefix("[2,"))
  }
}
