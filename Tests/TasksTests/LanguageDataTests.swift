import Diagnostics
import Foundation
import Testing

@testable import Tasks

/// The message of the error that `body` throws.
func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "no error"
  } catch {
    return "\(error)"
  }
}

@Suite struct CSVTests {
  private func rows(_ text: String) throws -> [[String]] {
    try Table(bytes: Array(text.utf8), file: "f.csv", format: .csv, hasHeader: false).rows.map(\.fields)
  }

  @Test func quotesCommasAndLineBreaks() throws {
    #expect(
      try rows("a,b\n\"x, y\",\"he said \"\"no\"\"\"\r\n\"two\nlines\",\n") == [
        ["a", "b"], ["x, y", "he said \"no\""], ["two\nlines", ""],
      ])
    #expect(try rows("\u{FEFF}a,b") == [["a", "b"]])
    #expect(try rows("\n\na\n\n") == [["a"]])
    #expect(try rows("a\n\"\"\n") == [["a"]])
    #expect(try rows("a\"b,c") == [["a\"b", "c"]])
  }

  @Test func linesAreCounted() throws {
    let file = try Table(bytes: Array("a\n\"b\nc\"\n\nd".utf8), file: "f.csv", format: .csv, hasHeader: false)
    #expect(file.rows.map(\.line) == [1, 2, 5])
  }

  @Test func whatIsNoCSV() {
    #expect(message { _ = try rows("a\n\"b\nc") } == "f.csv:2: a quoted field does not end")
    #expect(
      message { _ = try rows("a\n\"b\" c") }
        == "f.csv:2: text after a quoted field; a quote inside one is written twice")
    #expect(message { _ = try rows("") } == "f.csv: the file is empty")
    #expect(message { _ = try Table(bytes: [0x61, 0x0A, 0xFF], file: "f.csv", format: .csv) } == "f.csv:2: not UTF-8")
  }
}

@Suite struct CausalTextTests {
  @Test func aPlainTextIsOneDocument() throws {
    let data = try TextDocuments(bytes: Array("\u{FEFF}one\n\n two \u{2028}\r\n".utf8), file: "a.txt")
    #expect(data.documents == ["one\n\n two \u{2028}\r\n"])
  }

  @Test(arguments: [
    ("a.json", #"[{"text": "one"}, {"text": "two"}]"#), ("a.csv", "text,more\none,1\ntwo,2\n"),
  ]) func recordsOfAnyFormatAreDocuments(file: String, text: String) throws {
    let data = try TextDocuments(bytes: Array(text.utf8), file: file)
    #expect(data.documents == ["one", "two"] && data.areRecords)
  }

  @Test func jsonLines() throws {
    let text = #"{"text": "one\ntwo", "id": 7}"# + "\n\n" + #"{"text": ""}"# + "\r\n" + #"{"text": "three"}"#
    let data = try TextDocuments(bytes: Array(text.utf8), file: "a.jsonl")
    #expect(data.documents == ["one\ntwo", "three"])
    #expect(data.skipped == ["a.jsonl: left out 1 record with an empty text (line 3)"])
  }

  @Test(arguments: [
    ("{\"text\": 7}", "a.jsonl:1: text must be a string, not a whole number"),
    (
      "{\"text\": \"a\"}\n{\"tex\": \"a\"}",
      "a.jsonl:2: no text under \"text\", only \"tex\"; text_columns (or --column) names the key of the texts"
    ),
    (
      "{\"text\": null}",
      "a.jsonl:1: no text under \"text\", only \"text\"; text_columns (or --column) names the key of the texts"
    ), ("[1]", "a.jsonl:1: must be an object, not a list"),
    ("\n{\"text\"", "a.jsonl:2: not JSON: expected : after the key \"text\""), ("\n \n", "a.jsonl: the file is empty"),
    ("{\"text\": \"\"}", "a.jsonl: no usable records: each has an empty text"),
  ])
  func wrongRecords(text: String, expected: String) {
    #expect(message { _ = try TextDocuments(bytes: Array(text.utf8), file: "a.jsonl") } == expected)
  }

  @Test func wrongPlainTexts() {
    #expect(message { _ = try TextDocuments(bytes: [], file: "a.txt") } == "a.txt: the file is empty")
    #expect(message { _ = try TextDocuments(bytes: [0x0A, 0xFF], file: "a.txt") } == "a.txt:2: not UTF-8")
    #expect(message { _ = try TextDocuments(path: "/nowhere.txt") } == "/nowhere.txt: no such file")
  }
}

@Suite struct PackingTests {
  @Test func documentsKeepTheirBounds() {
    let blocks = packedBlocks([[1, 2, 3], [4, 5], [6, 7, 8, 9, 10, 11, 12], [13], [], [14, 15]], length: 6)
    #expect(blocks == [[[1, 2, 3], [4, 5]], [[6, 7, 8, 9, 10, 11]], [[14, 15]]])
    #expect(blocks.map { EncodedDataset.Item(documents: $0).targetCount } == [3, 5, 1])
  }

  @Test func aLongDocumentGoesOnInTheNextBlock() {
    let blocks = packedBlocks([[1, 2], Array(3...12)], length: 4)
    #expect(blocks == [[[1, 2], [3, 4]], [[5, 6, 7, 8]], [[9, 10, 11, 12]]])
  }

  /// Every block is in bounds, its stretches predict something, and tokens keep their order.
  @Test func whatHoldsForAnyDocuments() {
    for length in 2...9 {
      for seed in 0..<40 {
        let counts = (0..<6).map { (seed * 7 + $0 * $0 * 3) % 11 }
        var next: Int32 = 0
        let documents = counts.map { count in
          (0..<count).map { _ -> Int32 in
            next += 1
            return next
          }
        }
        let blocks = packedBlocks(documents, length: length)
        for block in blocks {
          #expect(block.joined().count <= length && block.allSatisfy { $0.count > 1 })
        }
        for block in blocks.dropLast() { #expect(block.joined().count >= length - 1) }
        let tokens = Array(blocks.joined().joined())
        #expect(tokens == tokens.sorted())
      }
    }
  }
}

@Suite struct MultipleChoiceTests {
  private func read(_ text: String, _ file: String = "data/test/abstract_algebra_test.csv") throws -> ChoiceQuestions {
    try ChoiceQuestions(bytes: Array(text.utf8), file: file)
  }

  @Test func theLayoutOfMMLU() throws {
    let data = try read("\"What, then?\nSay.\",one,two,\"three, four\",5,C\nWhy?,a,b,c,d,A\n")
    #expect(data.subject == "abstract algebra")
    #expect(
      data.questions[0]
        == ChoiceQuestion(
          question: "What, then?\nSay.", choices: ["one", "two", "three, four", "5"], answer: 2, line: 1))
    #expect(data.questions[1].line == 3)
    #expect(
      ChoiceStyle.letter.prompt(for: data.questions[1], subject: data.subject, shots: [data.questions[0]]) == """
        The following are multiple choice questions (with answers) about abstract algebra.

        What, then?
        Say.
        A. one
        B. two
        C. three, four
        D. 5
        Answer: C

        Why?
        A. a
        B. b
        C. c
        D. d
        Answer:
        """)
    #expect(ChoiceStyle.letter.continuations(of: data.questions[1]) == [" A", " B", " C", " D"])
  }

  @Test func jsonLines() throws {
    let data = try read(
      #"{"question": "2 + 2?", "choices": ["3", "4"], "answer": 1}"# + "\n"
        + #"{"question": "Sky?", "choices": ["red", "green", "blue"], "answer": "C"}"#, "quiz.jsonl")
    #expect(data.questions.map(\.answer) == [1, 2])
    #expect(data.subject == nil)
    #expect(
      ChoiceStyle.letter.prompt(for: data.questions[0], subject: nil, shots: []).hasPrefix(
        "The following are multiple choice questions (with answers).\n\n2 + 2?\nA. 3\n"))
  }

  @Test(arguments: [
    ("q", "1 field, not 6 (question, choices A to D, letter of the answer)"),
    ("q,a,b,c,A", "5 fields, not 6 (question, choices A to D, letter of the answer)"),
    ("q,a,b,c,d,E", "answer must be a letter A to D, or a number 0 to 3"),
    ("q,a,,c,d,A", "choice B is empty"), (" ,a,b,c,d,A", "the question is empty"),
  ])
  func wrongRows(row: String, problem: String) {
    #expect(message { _ = try read("q,a,b,c,d,A\n" + row, "x.csv") } == "x.csv:2: " + problem)
  }

  @Test(arguments: [
    (#"{"question": "q", "choices": ["a", "b"], "answer": 2}"#, "answer must be a letter A to B, or a number 0 to 1"),
    (#"{"question": "q", "choices": ["a"], "answer": 0}"#, "a question needs 2 to 26 choices, found 1"),
    (#"{"question": "q", "choices": ["a", 2], "answer": 0}"#, "choices must be a list of strings"),
    (#"{"question": "q", "choices": "ab", "answer": 0}"#, "choices must be a list of strings"),
    (#"{"question": "q", "choices": ["a", "b"]}"#, "answer is missing"),
    (#"{"choices": ["a", "b"], "answer": 0}"#, "question is missing"),
  ])
  func wrongRecords(record: String, problem: String) {
    #expect(message { _ = try read(record, "x.jsonl") } == "x.jsonl:1: " + problem)
  }
}

@Suite struct LanguageFileTests {
  private func withDirectory(_ files: [String: String], _ body: (String) throws -> Void) throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("language-\(UUID())")
    defer { try? FileManager.default.removeItem(at: directory) }
    for (name, text) in files {
      let url = directory.appendingPathComponent(name)
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: url)
    }
    try body(directory.path)
  }

  @Test func usualNames() throws {
    try withDirectory(["trainset.csv": "", "devset.csv": "", "train.jsonl": "", "own.json": ""]) { (directory) throws in
      let e2e = try TaskData(options("e2e", dataDir: directory))
      #expect(try e2e.files(.train) == [directory + "/trainset.csv"])
      #expect(
        message { _ = try e2e.files(.test) }
          == "\(directory)/testset_w_refs.csv: no such file; looked for the test split of e2e")
      #expect(
        message { _ = try e2e.files(.validationMismatched) }
          == "e2e has no split validation_mismatched; its splits are train, validation, test")
      let instruct = try TaskData(
        options("instruct", dataDir: directory, validationFile: directory + "/own.json"))
      #expect(try instruct.files(.train) == [directory + "/train.jsonl"])
      #expect(try instruct.files(.validation) == [directory + "/own.json"])
    }
    #expect(
      message { _ = try TaskData(options("causal-lm")).files(.train) }
        == "task: neither train_file nor data_dir is given, so causal-lm has no file for train")
  }

  @Test func subjectsOfMMLU() throws {
    let files = [
      "dev/world_history_dev.csv": "d1,a,b,c,d,A\nd2,a,b,c,d,B\n", "test/world_history_test.csv": "q,a,b,c,d,C\n",
      "dev/art_dev.csv": "e1,a,b,c,d,A\n", "test/art_test.csv": "r,a,b,c,d,D\n",
    ]
    try withDirectory(files) { (directory) throws in
      let path = try TaskData(options("multiple-choice", dataDir: directory)).files(.test)[0]
      let groups = try ChoiceGroup.all(in: path, shots: 1)
      #expect(groups.map(\.questions.subject) == ["art", "world history"])
      #expect(groups.map { $0.shots.map(\.question) } == [["e1"], ["d1"]])
      let question = try #require(groups[1].questions.questions.first)
      let subject = groups[1].questions.subject
      let prompt = ChoiceStyle.letter.prompt(for: question, subject: subject, shots: groups[1].shots)
      #expect(prompt.contains("about world history.\n\nd1\nA. a"))
      #expect(
        message { _ = try ChoiceGroup.all(in: path, shots: 2) }
          == "\(directory)/dev/art_dev.csv: 1 question, fewer than the 2 for a prompt")
      #expect(try ChoiceGroup.all(in: path, shots: 0)[0].shots.isEmpty)
      let file = directory + "/test/art_test.csv"
      #expect(
        try ChoiceGroup.all(in: file, shots: 2, shotsFile: directory + "/dev/world_history_dev.csv")[0].shots.count == 2
      )
      #expect(try ChoiceGroup.all(in: directory + "/dev", shots: 0).count == 2)
    }
  }
}
