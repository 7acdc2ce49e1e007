import Diagnostics
import Foundation
import Metrics
import Testing

@testable import Tasks

@Suite struct TokenDataTests {
  private func options(
    _ folder: Folder, train: String = "train.conll", validation: String? = nil, words: Column? = nil,
    tags: Column? = nil
  ) -> TaskOptions {
    var options = TaskOptions(name: "token-classification")
    options.trainFile = ["\(folder.path)/\(train)"]
    options.validationFile = validation.map { ["\(folder.path)/\($0)"] }
    (options.textColumns, options.labelColumn) = (words.map { [$0] }, tags)
    return options
  }

  /// The errors, each without the folder's name.
  private func problems(_ folder: Folder, _ read: () throws -> Void) -> [String] {
    do {
      try read()
      return []
    } catch {
      return "\(error)".replacingOccurrences(of: folder.path + "/", with: "").split(separator: "\n").map(String.init)
    }
  }

  private func trainProblems(_ files: [String: String], train: String) throws -> [String] {
    let folder = try Folder(files)
    return problems(folder) {
      let data = try TaskData(options(folder, train: train))
      _ = try data.load(.train)
    }
  }

  private static let conll = """
    -DOCSTART- -X- O

    EU NNP B-ORG
    rejects VBZ O

    Peter NNP B-PER
    Blackburn NNP I-PER

    """

  @Test func readsColumns() throws {
    let folder = try Folder(["train.conll": Self.conll, "train.txt": Self.conll + "\n\r\n# # O\n"])
    let data = try TaskData(options(folder))
    #expect(data.labels == .classes(["B-ORG", "B-PER", "I-PER", "O"]))
    #expect(data.metrics.map(\.name) == ["f1", "precision", "recall", "accuracy", "loss"])
    #expect(data.outputs == 4 && data.predictsLabels)
    let sentences = try data.load(.train).sentences
    #expect(sentences.map(\.words) == [["EU", "rejects"], ["Peter", "Blackburn"]])
    #expect(sentences.map(\.tags) == [[0, 3], [1, 2]])
    #expect(sentences.map(\.line) == [3, 6])
    // A # is a word, and blank lines may have spaces.
    #expect(try TaskData(options(folder, train: "train.txt")).load(.train).sentences.last?.words == ["#"])
    // Other columns, by number and by name.
    #expect(try TaskData(options(folder, tags: .index(1))).labels == .classes(["NNP", "VBZ"]))
    let named = try Folder(["train.conll": "pos\tform\ttag\nX\tNew York\tA\n\nX\ty\tB\n"])
    let other = try TaskData(options(named, words: .name("form"), tags: .name("tag")))
    #expect(other.labels == .classes(["A", "B"]))
    #expect(try other.load(.train).sentences.map(\.words) == [["New York"], ["y"]])
  }

  @Test func readsUniversalDependencies() throws {
    let text = """
      # sent_id = 1
      1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_
      1\tvamos\tir\tVERB\tvmip\t_\t0\troot\t_\t_
      2\tnos\tnosotros\tPRON\tpp\t_\t1\tobj\t_\t_
      2.1\tx\t_\t_\t_\t_\t_\t_\t_\t_

      1\t#\t#\tSYM\tf\t_\t0\troot\t_\t_
      """
    let folder = try Folder(["train.conllu": text])
    let data = try TaskData(options(folder, train: "train.conllu"))
    #expect(data.labels == .classes(["PRON", "SYM", "VERB"]))
    #expect(try data.load(.train).sentences.map(\.words) == [["vamos", "nos"], ["#"]])
    #expect(
      try TaskData(options(folder, train: "train.conllu", tags: .name("XPOS"))).labels == .classes(["f", "pp", "vmip"]))
  }

  @Test func readsJSON() throws {
    let lines = """
      {"id": 1, "tokens": ["EU", "ok"], "ner_tags": ["B-ORG", "O"], "pos_tags": ["X", "Y"]}
      {"tokens": [], "ner_tags": []}
      {"tokens": ["a"], "ner_tags": ["O"]}
      """
    let list = #"[{"words": ["x", ""], "t": ["A", "B"]}]"#
    let folder = try Folder(["train.jsonl": lines, "train.json": list])
    let data = try TaskData(options(folder, train: "train.jsonl"))
    #expect(data.labels == .classes(["B-ORG", "O"]))
    #expect(try data.load(.train).sentences.map(\.tags) == [[0, 1], [1]])
    let other = try TaskData(options(folder, train: "train.json", words: .name("words"), tags: .name("t")))
    #expect(
      try other.load(.train).sentences == [
        TaggedSentence(words: ["x", ""], tags: [0, 1], file: folder.path + "/train.json", line: 1)
      ])
  }

  /// In Swift é and e + ´ are equal strings; they are two tags, as in Python.
  @Test func comparesTagsByCodePoints() throws {
    let folder = try Folder(["train.conll": "a B-\u{e9}\nb B-e\u{301}\nc O\n"])
    let data = try TaskData(options(folder))
    #expect(data.labels?.names.map { Array($0.utf8) } == ["B-e\u{301}", "B-\u{e9}", "O"].map { Array($0.utf8) })
    #expect(try data.load(.train).sentences.first?.tags == [1, 0, 2])
  }

  @Test func keepsTheOrderOfASavedHead() throws {
    let folder = try Folder(["train.conll": "a B\nb A\n", "dev.conll": "x A\ny C\n"])
    let known = try TaskData(
      options(folder, validation: "dev.conll"), knownLabels: .classes(["B", "A"]))
    #expect(try known.load(.train).sentences.first?.tags == [0, 1])
    let found = problems(folder) { _ = try known.load(.validation) }
    #expect(found == [#"dev.conll:2: unknown label "C"; the labels are "B", "A""#])
  }

  @Test func readsNumbersByLabelNames() throws {
    let lines = #"{"tokens": ["a", "b"], "tags": [2, 0]}"# + "\n"
    let folder = try Folder([
      "t.jsonl": lines, "mixed.jsonl": lines + #"{"tokens": ["a"], "tags": ["O"]}"#,
      "other.jsonl": #"{"tokens": ["a", "b"], "tags": ["O", 1]}"#, "far.jsonl": #"{"tokens": ["a"], "tags": [3]}"#,
    ])
    func found(_ name: String, known: [String]? = nil, listed: [String] = ["O", "B-A", "I-A"]) throws -> [[Int]?] {
      var options = options(folder, train: name)
      options.labelNames = listed
      return try TaskData(options, knownLabels: known.map(LabelSpace.classes)).load(.train).sentences.map(\.tags)
    }
    #expect(try found("t.jsonl") == [[2, 0]])
    // The head's order is another one.
    #expect(try found("t.jsonl", known: ["I-A", "O", "B-A"]) == [[0, 1]])
    func problem(_ name: String, listed: [String] = ["O", "B-A", "I-A"]) -> [String] {
      problems(folder) { _ = try found(name, listed: listed) }
    }
    #expect(problem("mixed.jsonl") == ["mixed.jsonl:2: a tag's name, but tags before it are numbers"])
    #expect(problem("other.jsonl") == ["other.jsonl:1: a tag's number, but tags before it are names"])
    #expect(problem("far.jsonl") == [#"far.jsonl:1: unknown label "3"; the labels are "O", "B-A", "I-A""#])
    #expect(problem("t.jsonl", listed: ["O"]) == ["task.label_names: must be two names or more"])
    #expect(problem("t.jsonl", listed: ["O", "O"]) == [#"task.label_names: has "O" twice"#])
  }

  @Test func holdsBackAShare() throws {
    let folder = try Folder(["train.conll": (0..<10).map { "w\($0) \($0 % 2 == 0 ? "A" : "B")\n\n" }.joined()])
    var options = options(folder)
    options.validationSplit = 0.3
    let data = try TaskData(options), parts = try [Split.train, .validation].map { try data.load($0).sentences }
    #expect(parts.map(\.count) == [7, 3])
    #expect(Set(parts.joined().flatMap(\.words)).count == 10)
  }

  @Test func namesWhatIsWrongWithColumns() throws {
    func of(_ text: String, _ name: String = "t.conll") throws -> [String] {
      try trainProblems([name: text], train: name)
    }
    #expect(
      try of("a A\nb\nc B x\n") == [
        "t.conll:2: 1 field, but the first row has 2", "t.conll:3: 3 fields, but the first row has 2",
      ])
    #expect(
      try of("a\tA\nb B\n") == [
        "t.conll:2: 1 field, but the first row has 2 (fields end at TABs, as in the first row)"
      ])
    #expect(
      try of("a\nb\n") == [
        "t.conll:1: 1 field; a word and its tag are needed, with spaces or a TAB between them"
      ])
    #expect(try of("a\tA\nb\t\n") == ["t.conll:2: the label is empty"])
    #expect(try of("\n \n") == ["t.conll: the file is empty"])
    #expect(try of("a A\nb A\n") == [#"t.conll: every label is "A"; classification needs at least two classes"#])
    #expect(
      try of("a,A\n", "t.csv") == [
        "t.csv: csv has no sentences; task token-classification reads CoNLL's columns (conll), JSONL and JSON"
      ])
    let folder = try Folder(["t.conll": "a A\nb B\n"])
    #expect(
      problems(folder) { _ = try TaskData(options(folder, train: "t.conll", tags: .index(4))) } == [
        "t.conll:1: no column number 4; the first line has fewer fields"
      ])
    #expect(
      problems(folder) { _ = try TaskData(options(folder, train: "t.conll", words: .index(1))) } == [
        "t.conll:1: word and tag are the same column; text_columns or label_column names another"
      ])
  }

  @Test func namesWhatIsWrongWithJSON() throws {
    func of(_ text: String) throws -> [String] { try trainProblems(["t.jsonl": text], train: "t.jsonl") }
    #expect(try of(#"{"tokens": ["a", "b"], "tags": ["A"]}"#) == ["t.jsonl:1: tags has 1 tag, but tokens has 2 words"])
    #expect(try of(#"{"words": ["a"]}"#) == ["t.jsonl:1: tokens is missing; text_columns names another key"])
    #expect(try of(#"{"tokens": ["a"]}"#) == ["t.jsonl:1: ner_tags is missing; label_column names another key"])
    #expect(try of(#"{"tokens": "a b", "tags": ["A"]}"#) == ["t.jsonl:1: tokens must be a list of words, not a string"])
    #expect(
      try of(#"{"tokens": [1], "tags": ["A"]}"#) == [
        "t.jsonl:1: tokens[0] must be a word as a string, not a whole number"
      ])
    #expect(
      try of(#"{"tokens": ["a"], "tags": [1.5]}"#) == [
        "t.jsonl:1: tags[0] must be a tag's name or number, not a number"
      ])
    #expect(
      try of(#"{"tokens": ["a"], "tags": [3]}"#) == [
        "t.jsonl:1: the tag 3 is a number; task.label_names must list what the numbers mean"
      ])
    #expect(try of(#"{"tokens": [], "tags": []}"#) == ["t.jsonl: no usable records: each has no word"])
  }

  // MARK: - Predictions

  private func predicted(_ text: String, name: String? = nil) throws -> SplitData {
    let folder = try Folder(["train.conll": "a A\nb B\n"])
    if let name {
      let files = try Folder([name: text])
      return try #require(try TaskData(options(folder)).texts(PredictionInput(path: "\(files.path)/\(name)")))
    }
    return try #require(
      try TaskData(options(folder)).texts(PredictionInput(bytes: Array(text.utf8), name: "stdin")))
  }

  @Test func readsWhatIsToBeTagged() throws {
    let plain = try predicted("Bill  sings .\n\nIn May\n").sentences
    #expect(plain.map(\.words) == [["Bill", "sings", "."], ["In", "May"]])
    #expect(plain.allSatisfy { $0.tags == nil })
    #expect(try predicted("x A\ny B\n\nz A\n").sentences.map(\.tags) == [[0, 1], [0]])
    #expect(try predicted("-DOCSTART- O\n\nx A\n").sentences.map(\.words) == [["x"]])
    #expect(try predicted(#"{"tokens": ["x", "A"]}"#).sentences.map(\.words) == [["x", "A"]])
    #expect(try predicted(#"[{"tokens": ["x"], "tags": ["B"]}]"#).sentences.map(\.tags) == [[1]])
    #expect(try predicted("x\ny\n\nz\n", name: "t.conll").sentences.map(\.words) == [["x", "y"], ["z"]])
    #expect(try predicted("x\ny\n\nz\n", name: "t.bio").sentences.map(\.words) == [["x", "y"], ["z"]])
    #expect(try predicted("x y\n", name: "t.txt").sentences.map(\.words) == [["x", "y"]])
    #expect(throws: TaskError.emptyFile(file: "stdin")) { try predicted("\n \n") }
  }

  private func item(_ sentence: Int, _ numbers: [Int]) -> EncodedDataset.Item {
    EncodedDataset.Item(
      ids: [1], words: .init(sentence: sentence, numbers: numbers, places: numbers, tags: nil))
  }

  /// A sentence of two pieces and a word without a token, and one that became no item.
  @Test func writesWordsWithTags() throws {
    let sentences = [
      TaggedSentence(words: ["New", "York", "\u{1}", "x"], file: "f", line: 1),
      TaggedSentence(words: ["\u{1}"], file: "f", line: 2),
      TaggedSentence(words: ["Bo"], tags: [1], file: "f", line: 3),
    ]
    func text(_ style: SentenceTagger.Style, tags: [String] = ["O", "B-LOC", "I-LOC"]) throws -> String {
      var tagger = SentenceTagger(sentences, tags: tags, style: style)
      var text = try tagger.add(item(0, [0, 1]), scores: [0, 1, 0, 0, 0, 1])
      text += try tagger.add(item(0, [3]), scores: [2, 1, 0])
      #expect(text.isEmpty)
      text += try tagger.add(item(2, [0]), scores: [0, 9, 0])
      return try text + tagger.finish()
    }
    #expect(
      try text(.columns) == "New\tB-LOC\nYork\tI-LOC\n\u{1}\t_\nx\tO\n\n\u{1}\t_\n\nBo\tB-LOC\tB-LOC\n\n")
    let json = try text(.json).split(separator: "\n")
    #expect(json.count == 3)
    #expect(
      json[0].hasPrefix(
        #"{"tokens":["New","York","\u0001","x"],"tags":["B-LOC","I-LOC",null,"O"],"entities":[{"type":"LOC","start":0,"#
          + #""end":2,"text":"New York","score":0.576"#))
    #expect(json[1] == #"{"tokens":["\u0001"],"tags":[null],"entities":[]}"#)
    #expect(json[2].hasPrefix(#"{"tokens":["Bo"],"tags":["B-LOC"],"labels":["B-LOC"],"entities":[{"#))
    #expect(try !text(.json, tags: ["X", "Y", "Z"]).contains("entities"))
  }

  @Test func refusesWordsThatColumnsCannotHold() throws {
    var tagger = SentenceTagger(
      [TaggedSentence(words: ["a", "b\tc"], file: "f", line: 7)], tags: ["O"], style: .columns)
    #expect(
      throws: TaskError.badRecord(
        file: "f", line: 7, problem: "word 1 has a TAB or a line break in it, which columns cannot hold; use --json")
    ) { try tagger.finish() }
  }

  @Test func tableOfWords() {
    let items = [
      EncodedDataset.Item(ids: [1], words: .init(sentence: 0, numbers: [0, 2], places: [0, 1], tags: [1, 0])),
      EncodedDataset.Item(ids: [1], words: .init(sentence: 3, numbers: [1], places: [0], tags: nil)),
    ]
    let text = WordPredictionTable(tags: ["A", "B"]).text(items, scores: [[0, 1, 0.5, 0], [2, 1]])
    #expect(
      text == """
        index\tword\tprediction\tlabel\tscore_0\tscore_1
        0\t0\tB\tB\t0.00000000\t1.00000000
        0\t2\tA\tA\t0.500000000\t0.00000000
        3\t1\tA\t\t2.00000000\t1.00000000

        """)
  }
}
