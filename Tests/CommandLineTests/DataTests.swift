import Foundation
import StrictJSON
import Testing

/// `swift-peft data CONFIG`.
@Suite struct DataTests {
  /// The lines of `--json`: the numbers, then the examples.
  private func lines(_ outcome: Outcome) throws -> [JSONNode] {
    #expect(outcome.status == 0, "\(outcome.err)")
    return try outcome.out.split(separator: "\n").map { try JSONParser.parse(String($0)) }
  }

  @Test func textsWithTheirLabels() throws {
    let sandbox = try Sandbox.trainable()
    try FileManager.default.removeItem(atPath: sandbox.place("model/model.safetensors"))
    try sandbox.write("data/train.tsv", "sentence\tlabel\nthe movie is good\t1\nbad film\t0\nvery great story\t1\n")
    let before = try sandbox.listing()
    let outcome = try sandbox.run("data", "config.json", "--examples", "2")
    #expect(outcome.status == 0 && outcome.err.isEmpty, "\(outcome.err)")
    #expect(try sandbox.listing() == before)
    #expect(
      outcome.out.contains("\ntokens of   examples  min  median  mean  90 %  99 %  max  with 32  cut  max uncut\n"))
    #expect(
      outcome.out.contains("\ntrain              3    4       5   5.0     6     6    6        0    0          6\n"))
    #expect(outcome.out.contains("\n0          1  33.3 "), "\(outcome.out)")
    #expect(
      outcome.out.hasSuffix(
        """

        example 0 of train: 6 tokens, label 1
        [CLS]│the│movie│is│good│[SEP]

        example 1 of train: 4 tokens, label 0
        [CLS]│bad│film│[SEP]

        """), "\(outcome.out)")
  }

  @Test func whatIsCut() throws {
    let sandbox = try Sandbox.trainable()
    try sandbox.write("data/train.tsv", "sentence\tlabel\nthe movie is good\t1\nbad film\t0\n")
    let outcome = try sandbox.run(
      "data", "config.json", "--json", "--set", "task.max_seq_length=4", "--set", "training.eval_strategy=no")
    let lines = try lines(outcome), split = try #require(lines[0]["splits"]?.array?.first)
    #expect(lines[0]["splits"]?.array?.count == 1 && lines.count == 3)
    #expect(split["cut"]?.integer == 1 && split["max_uncut"]?.integer == 6 && split["at_max_seq_length"]?.integer == 2)
    #expect(split["label_counts"]?.array?.map { $0["count"]?.integer } == [1, 1])
    #expect(lines[1]["cut_tokens"]?.integer == 2 && lines[1]["label"]?.string == "1")
    #expect(lines[1]["texts"]?.array?.map(\.string) == ["[CLS]", "the", "movie", "[SEP]"])
    let text = try sandbox.run("data", "config.json", "--set", "task.max_seq_length=4", "--example", "0").out
    #expect(text.contains("example 0 of train: 4 tokens, 2 more were cut, label 1\n"), "\(text)")
  }

  /// Names of classes, pairs, numbers.
  @Test func tables() throws {
    let sandbox = try Sandbox.trainable()
    func read(_ label: [String], _ arguments: String...) throws -> String {
      try sandbox.write(
        "t.csv", "a,b,label\n" + label.map { "\"good, bad\",film,\($0)\n" }.joined())
      let task =
        #"{"name": "tsv", "train_file": "t.csv", "text_columns": ["a", "b"], "label_column": "label", "max_seq_length": 32}"#
      let outcome = try sandbox.run(
        "data", "config.json", "--set", "task=\(task)", "--set", "training.eval_strategy=no")
      #expect(outcome.status == 0, "\(outcome.err)")
      return outcome.out
    }
    let classes = try read(["yes", "no\u{1B}[31m", "yes"])
    #expect(classes.contains("[CLS]│good│,│bad│[SEP]│film│[SEP]\n") && classes.contains(", label yes\n"), "\(classes)")
    #expect(classes.contains("\nno␛[31m ") && !classes.contains("\u{1B}"))
    let numbers = try read(["0.5", "2", "5"])
    #expect(numbers.contains("\nlabels of train: numbers from 0.5 to 5.0, 2.5 on average\n"), "\(numbers)")
  }

  @Test func languageWithItsTargets() throws {
    let sandbox = try Sandbox.language("gpt2-tiny", task: "causal-lm")
    for file in ["model/model.safetensors", "validation.jsonl"] {
      try FileManager.default.removeItem(atPath: sandbox.place(file))
    }
    try sandbox.write("train.jsonl", #"{"text": "good film"}"# + "\n" + #"{"text": ""}"# + "\n" + #"{"text": "bad 🫠"}"#)
    let no = ["--set", "training.eval_strategy=no", "--set", "task.validation_file=null"]
    let text = try sandbox.start(["data", "config.json"] + no).finish().out
    #expect(text.contains("\ntrain: train.jsonl: left out 1 record with an empty text (line 2)\n"), "\(text)")
    #expect(text.contains("(document 1)\n") && text.contains("(document 2)\n") && text.contains("🫠"), "\(text)")
    #expect(text.contains("│⟦") && text.contains("⟧\n"))
    let lines = try lines(sandbox.start(["data", "config.json", "--json"] + no).finish())
    let split = try #require(lines[0]["splits"]?.array?.first)
    #expect(split["documents"]?.integer == 2 && split["packed_rows"]?.integer == 1 && split["examples"]?.integer == 1)
    let ids = try #require(lines[1]["ids"]?.array), lengths = lines[1]["documents"]?.array?.compactMap(\.integer) ?? []
    #expect(lengths.reduce(0, +) == ids.count && split["targets"]?.integer == ids.count - 2)
    #expect(lines[1]["targets"]?.array?.first?.array?.map(\.integer) == [1, lengths[0]])
    #expect(lines[1]["texts"]?.array?.count == ids.count && lines[1]["tokens"]?.array?.count == ids.count)
  }

  @Test func answersAndQuestions() throws {
    let sandbox = try Sandbox.language("gpt2-tiny", task: "instruct")
    try sandbox.write("train.json", #"[{"instruction": "say", "output": "good film"}]"#)
    let outcome = try sandbox.run(
      "data", "config.json", "--set", "task.prompt_template=> {instruction}:", "--example", "0")
    #expect(outcome.status == 0, "\(outcome.err)")
    let shown = try #require(outcome.out.split(separator: "\n").last)
    let marked = try #require(shown.split(separator: "⟦").last)
    #expect(shown.hasPrefix(">") && marked.hasSuffix("⟧"), "\(shown)")
    #expect(marked.dropLast().split(separator: "│").dropLast().joined() == "good film", "\(marked)")

    let choices = try Sandbox.choices()
    let questions = try choices.run("data", "config.json", "--split", "validation", "--examples", "1")
    #expect(questions.status == 0, "\(questions.err)")
    #expect(questions.out.contains("\ntokens of   examples ") && !questions.out.contains("\ntrain"), "\(questions.out)")
    #expect(questions.out.contains(/, label [A-D]\n/), "\(questions.out)")
  }

  /// Targets are green on a terminal, unless `NO_COLOR` is set.
  @Test func coloursOnATerminal() throws {
    let sandbox = try Sandbox.language("gpt2-tiny", task: "instruct")
    guard try sandbox.shell("script --version").status == 0 else {
      print("skipped: script(1) is not installed")
      return
    }
    let line = #"script -qec "$TOOL data config.json --example 0" /dev/null"#
    let coloured = try sandbox.shell("TERM=xterm NO_COLOR= " + line).out
    #expect(coloured.contains("\u{1B}[32m") && !coloured.contains("⟦"), "\(coloured)")
    for variables in ["TERM=xterm NO_COLOR=1 ", "TERM=dumb NO_COLOR= "] {
      let plain = try sandbox.shell(variables + line).out
      #expect(!plain.contains("\u{1B}") && plain.contains("⟦"), "\(plain)")
    }
  }

  @Test func theExamplesThatAreAskedFor() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try lines(sandbox.run("data", "config.json", "--json")).count == 4)
    #expect(try lines(sandbox.run("data", "config.json", "--json", "--examples", "0")).count == 1)
    let all = try lines(sandbox.run("data", "config.json", "--json", "--examples", "1000", "--split", "validation"))
    #expect(all.count == 31 && all[30]["index"]?.integer == 29 && all[30]["split"]?.string == "validation")
    let one = try lines(sandbox.run("data", "config.json", "--json", "--example", "29", "--split", "validation"))
    #expect(one.count == 2 && one[1] == all[30])
  }

  @Test func mistakesHaveTheirStatus() throws {
    let sandbox = try Sandbox.trainable()
    func refused(_ status: Int32, _ sentence: String, _ arguments: String...) throws {
      let outcome = try sandbox.start(["data", "config.json"] + arguments).finish()
      #expect(outcome.status == status && outcome.out.isEmpty, "\(outcome.out)")
      #expect(outcome.errorLines.first == "swift-peft: error: \(sentence)", "\(outcome.err)")
    }
    try refused(
      64, "--example: train has 60 examples, counted from 0, and so none with the number 60", "--example", "60")
    try refused(64, "--examples and --example exclude each other", "--example", "1", "--examples", "1")
    try refused(64, "--examples must be at least 0, not -1", "--examples=-1")
    try refused(
      65, "sst2 has no split validation_mismatched; its splits are train, validation, test", "--split",
      "validation_mismatched")
    try refused(66, "data/test.tsv: no such file; looked for the test split of sst2", "--split", "test")
    try refused(
      66, "data/none.tsv: no such file; looked for the train split of sst2", "--set", "task.train_file=data/none.tsv")
    try sandbox.write("data/dev.tsv", "sentence\tlabel\ngood\t2\n")
    try refused(65, "data/dev.tsv:2: unknown label \"2\"; the labels are \"0\", \"1\"")
    for file in try FileManager.default.contentsOfDirectory(atPath: sandbox.place("model")) where file != "config.json"
    {
      try FileManager.default.removeItem(atPath: sandbox.place("model/\(file)"))
    }
    let outcome = try sandbox.run("data", "config.json", "--split", "train")
    #expect(outcome.status == 66, "\(outcome.err)")
  }
}
