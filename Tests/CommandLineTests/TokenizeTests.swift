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

  /// A byte order mark is no text at the start of stdin, also where a pipe cuts it.
  @Test func byteOrderMark() throws {
    let plain = try Sandbox().run("tokenize", model, input: "good\n").out
    #expect(try Sandbox().run("tokenize", model, input: "\u{FEFF}good\n").out == plain)
    let cut = try Sandbox().shell(
      #"(printf '\357'; sleep 0.2; printf '\273\277good\n') | $TOOL tokenize \#(model)"#)
    #expect(cut.out == plain)
  }

  /// A token that does not get the id that it asks for.
  @Test func notesOnIDs() throws {
    let sandbox = try Sandbox()
    let config = #"{"tokenizer_class": "BertTokenizer", "added_tokens_decoder": {"9999": {"content": "<new>"}}}"#
    let outcome = try sandbox.shell(
      #"cp -r \#(model) m && echo '\#(config)' > m/tokenizer_config.json && echo x | $TOOL tokenize m"#)
    #expect(outcome.status == 0)
    #expect(
      outcome.err.contains(#"note: m/tokenizer_config.json:1: added_tokens_decoder.9999: "<new>" is listed with"#))
  }

  @Test func idsAndTruncation() throws {
    let outcome = try Sandbox().run("tokenize", model, "--max-length", "3", input: "the the the\n")
    #expect(outcome.out.hasPrefix("[2,") && outcome.out.split(separator: ",").count == 3)
    #expect(try Sandbox().run("tokenize", model, "--max-length", "0").status == 64)
    #expect(try Sandbox().run("tokenize", model).out.isEmpty)
  }

  @Test func jsonInAndTextsBack() throws {
    let input = #""good\nfilm\t""# + "\n" + #"["bad", "film"]"# + "\n"
    let outcome = try Sandbox().run("tokenize", model, "--tokens", "--json-input", input: input)
    #expect(
      outcome.out == #"["[CLS]","good","film","[SEP]"]"# + "\n" + #"["[CLS]","bad","[SEP]","film","[SEP]"]"# + "\n")
    let ids = try Sandbox().run("tokenize", model, "--json-input", input: input).out
    #expect(try Sandbox().run("tokenize", model, "--decode", input: ids).out == "\"good film\"\n\"bad film\"\n")
    let kept = try Sandbox().run("tokenize", model, "--decode", "--keep-special-tokens", input: ids)
    #expect(kept.out == "\"[CLS] good film [SEP]\"\n\"[CLS] bad [SEP] film [SEP]\"\n")
  }

  @Test(arguments: [
    ("--json-input", "\"a\"\n7\n", "stdin:2: expected a JSON string, or an array of one or two"),
    ("--json-input", "\"a\"\n[\"a\", 1]\n", "stdin:2: expected a JSON string, or an array of one or two"),
    ("--json-input", "\"a\"\n\"b\n", "stdin:2: not JSON: "),
    ("--decode", "[2]\n[1.5]\n", "stdin:2: expected a JSON array of token ids"),
    ("--decode", "[2]\n[99999999]\n", "stdin:2: no token has the id 99999999"),
  ])
  func wrongJSONIsNamed(flag: String, input: String, message: String) throws {
    let outcome = try Sandbox().run("tokenize", model, flag, input: input)
    #expect(outcome.status == 65 && outcome.err.contains(message) && outcome.out.split(separator: "\n").count == 1)
  }

  @Test func flagsThatContradict() throws {
    #expect(try Sandbox().run("tokenize", model, "--decode", "--tokens").status == 64)
    #expect(try Sandbox().run("tokenize", model, "--keep-special-tokens").status == 64)
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
