import Foundation
import StrictJSON
import Testing

/// `swift-peft init` with data of every kind: what it writes is what `train` takes.
@Suite struct InitDataTests {
  /// Data, and what its config says.
  struct Case: CustomTestStringConvertible, Sendable {
    let file: String
    let text: String
    var task = "text-classification"
    var values: [String] = []
    var testDescription: String { file }
  }

  private static func rows(_ count: Int, _ row: (_ number: Int, _ sentence: String) -> String) -> String {
    let words = ["the", "movie", "is", "good", "and", "film", "bad", "very", "great", "story", "not", "time"]
    return (0..<count).map { number in
      row(number, (0..<(4 + number % 7)).map { words[(number * 5 + $0 * $0) % words.count] }.joined(separator: " "))
    }.joined(separator: "\n") + "\n"
  }

  static let labelled: [Case] = [
    Case(
      file: "a.csv", text: "id,review,stars\n" + rows(60) { #"\#($0),"\#($1), ""x""",\#($0 % 3 + 1)"# },
      values: [#""text_columns": ["review"],"#, #""label_column": "stars","#, "3 classes: 1, 2, 3", "validation_split"]),
    Case(
      file: "b.csv", text: "text;label\n" + rows(30) { "\($1);\($0 % 2 == 0 ? "yes" : "no")" },
      values: [#""delimiter": ";","#, "2 classes: no, yes", #""eval_strategy": "no""#]),
    Case(
      file: "c.jsonl", text: rows(60) { #"{"text": "\#($1)", "n": \#($0), "label": \#($0 % 2)}"# },
      values: [#""text_columns": ["text"],"#, "2 classes: 0, 1", "60 examples"]),
    Case(
      file: "d.json",
      text: "["
        + rows(60) { #"{"a": "\#($1)", "b": "so \#($1)", "score": \#(Double($0) / 4)}"# }
        .split(separator: "\n").joined(separator: ",\n") + "]",
      values: [#""text_columns": ["a", "b"],"#, #""label_column": "score","#, "a regression"]),
    Case(
      file: "records", text: rows(60) { #"{"sentence": "\#($1)", "kind": "\#($0 % 2)"}"# },
      values: [#""file_format": "jsonl","#, #""label_column": "kind","#]),
    Case(
      file: "o.jsonl",
      text: rows(60) { #"{"text": "\#($1)", "labels": \#($0 % 3 == 0 ? [] : ["a", "b"].suffix($0 % 3))}"# },
      values: ["Any of 2 labels: a, b"]),
    Case(
      file: "p.tsv", text: "text\tlabels\n" + rows(60) { "\($1)\t\(["a", "a|b", "b|c", "c"][$0 % 4])" },
      values: [
        "Any of 3 labels: a, b, c", #""label_separator": "|","#, #""problem_type": "multi_label_classification","#,
      ]),
    Case(
      file: "q.csv", text: "text,score\n" + rows(60) { "\($1),\($0 % 30)" },
      values: [#""problem_type": "regression","#, "a regression"]),
    Case(
      file: "k.conll", text: rows(60) { number, _ in "the O\ngood \(number % 2 == 0 ? "B" : "I")-X\n" },
      task: "token-classification",
      values: ["3 classes: B-X, I-X, O", "60 examples", "validation_split"]),
    Case(
      file: "l.jsonl", text: rows(20) { #"{"tokens": ["\#($1)", "film"], "ner_tags": ["O", "B-\#($0 % 2)"]}"# },
      task: "token-classification", values: ["3 classes: B-0, B-1, O"]),
  ]

  static let texts: [Case] = [
    Case(
      file: "e.txt", text: rows(80) { $1 }, task: "causal-lm", values: ["// A plain text", #""train_file": "e.txt","#]),
    Case(
      file: "f.jsonl", text: rows(80) { #"{"text": "\#($1)", "lang": "\#($0 % 2)"}"# }, task: "causal-lm",
      values: ["// Texts without labels"]),
    Case(
      file: "g.csv", text: "id,body\n" + rows(80) { "\($0),\($1)" }, task: "causal-lm",
      values: [#""text_columns": ["body"],"#]),
    Case(
      file: "h.json",
      text: "["
        + rows(20) { #"{"instruction": "say \#($0)", "output": "\#($1)"}"# }
        .split(separator: "\n").joined(separator: ",\n") + "]", task: "instruct", values: ["20 examples"]),
    Case(
      file: "m.jsonl",
      text: rows(20) {
        #"{"messages": [{"role": "user", "content": "say \#($0)"}, {"role": "assistant", "content": "\#($1)"}]}"#
      }, task: "instruct", values: ["// Conversations (messages)", #""chat_template": "alpaca","#]),
    Case(
      file: "n.csv", text: "prompt,completion\n" + rows(20) { "say \($0), \($1)" }, task: "instruct",
      values: ["// Prompts with completions"]),
    Case(
      file: "i.jsonl", text: rows(20) { #"{"question": "\#($1)?", "choices": ["yes", "no"], "answer": \#($0 % 2)}"# },
      task: "multiple-choice"),
  ]

  /// A tiny decoder with room for Alpaca's text.
  private static func roomy() throws -> Sandbox {
    let sandbox = try Sandbox.language("llama-grouped", task: "causal-lm")
    try sandbox.edit("model/config.json", "\"max_position_embeddings\": 64", "\"max_position_embeddings\": 1024")
    return sandbox
  }

  private func check(_ sandbox: Sandbox, _ data: Case) throws {
    try sandbox.write(data.file, data.text)
    let outcome = try sandbox.run("init", "model", data.file, "--strategy", "lora", "-o", "config.json", "--force")
    #expect(outcome.status == 0, "\(outcome.err)")
    let text = try sandbox.text("config.json")
    let config = try JSONParser.parse(Array(text.utf8), file: "config.json", dialect: .config)
    #expect(config["task"]?["name"]?.string == data.task)
    for value in data.values { #expect(text.contains(value), "\(value) is not in \(text)") }
    let dry = try sandbox.run("train", "config.json", "--dry-run")
    #expect(dry.status == 0, "\(dry.err)\n\(text)")
    #expect(try sandbox.run("data", "config.json").status == 0)
  }

  @Test(arguments: labelled) func findsTextsAndLabels(data: Case) throws { try check(.trainable(), data) }

  @Test(arguments: texts) func findsWhatALanguageModelLearns(data: Case) throws {
    let sandbox = try Self.roomy()
    try check(sandbox, data)
    let bert = try Sandbox.trainable()
    try bert.write(data.file, data.text)
    let refused = try bert.run("init", "model", data.file)
    #expect(refused.status == 65 && refused.out.isEmpty)
    #expect(
      refused.err.contains(
        ", and task \(data.task) needs a model that generates text, but model is a bert model; "),
      "\(refused.err)")
  }

  /// The model's own template, and a length by what it makes of the data.
  @Test func conversationsInTheModelsTemplate() throws {
    let sandbox = try Self.roomy()
    try sandbox.write(
      "model/chat_template.jinja",
      "{% for m in messages %}{{ m.role }}: {{ m.content }}<|endoftext|>{% endfor %}"
        + "{% if add_generation_prompt %}assistant: {% endif %}")
    let data = try #require(Self.texts.first { $0.file == "h.json" })
    try sandbox.write("h.json", data.text.replacing("the ", with: ""))
    let outcome = try sandbox.run("init", "model", "h.json", "--strategy", "lora", "-o", "mine.json")
    #expect(outcome.status == 0, "\(outcome.err)")
    let text = try sandbox.text("mine.json")
    #expect(
      text.contains("// The model's own chat template\n") && text.contains(#""chat_template": "model","#), "\(text)")
    let shown = try sandbox.run("data", "mine.json", "--json", "--examples", "100")
    #expect(shown.status == 0, "\(shown.err)")
    let lines = try shown.out.split(separator: "\n").map { try JSONParser.parse(String($0)) }
    let limit = lines[0]["max_seq_length"]?.integer ?? 0, longest = lines[0]["splits"]?.array?.first?["tokens"]?["max"]
    #expect(limit > 0 && limit - (longest?.integer ?? 0) < 16, "\(limit)")
    #expect(
      lines[1]["texts"]?.array?.compactMap(\.string).joined().hasPrefix("user: say 0<|endoftext|>assistant: ") == true)
    #expect(try sandbox.run("train", "mine.json", "--dry-run").status == 0)
  }

  @Test func theTaskThatIsAskedFor() throws {
    let sandbox = try Sandbox.trainable()
    let data = try #require(Self.texts.first { $0.file == "f.jsonl" })
    try sandbox.write(data.file, data.text)
    let outcome = try sandbox.run("init", "model", data.file, "--task", "text-classification")
    #expect(outcome.status == 0 && outcome.out.contains(#""label_column": "lang","#), "\(outcome.err)")
    let refused = try sandbox.run("init", "model", "config.json", "--task", "text-classification")
    #expect(refused.status == 65, "\(refused.err)")
  }

  @Test func filesOfADirectory() throws {
    let sandbox = try Sandbox.trainable()
    for (name, count) in [("train-0", 30), ("train-1", 30), ("dev", 10), ("test", 10)] {
      try sandbox.write("own/\(name).jsonl", Self.rows(count) { #"{"text": "\#($1)", "label": \#($0 % 2)}"# })
    }
    try sandbox.write("own/README.md", "none of the data")
    let outcome = try sandbox.run("init", "model", "own", "-o", "mine.json")
    #expect(outcome.status == 0, "\(outcome.err)")
    let text = try sandbox.text("mine.json")
    for line in [
      #""train_file": ["own/train-0.jsonl", "own/train-1.jsonl"],"#, #""validation_file": "own/dev.jsonl","#,
      #""test_file": "own/test.jsonl","#, #""eval_strategy": "epoch""#, "60 examples",
    ] {
      #expect(text.contains(line), "\(line) is not in \(text)")
    }
    #expect(try sandbox.run("train", "mine.json", "--dry-run").status == 0)

    let pattern = try sandbox.run("init", "model", "own/train-*.jsonl", "--validation-file", "own/dev.jsonl")
    #expect(pattern.status == 0 && pattern.out.contains(#""train_file": "own/train-*.jsonl","#), "\(pattern.err)")
    #expect(pattern.out.contains("60 examples") && pattern.out.contains(#""validation_file": "own/dev.jsonl","#))
    let two = try sandbox.run("init", "model", "own/train-0.jsonl", "own/train-1.jsonl")
    #expect(two.out.contains(#""train_file": ["own/train-0.jsonl", "own/train-1.jsonl"],"#), "\(two.err)")
  }

  @Test func whatIsBrokenIsNamed() throws {
    let sandbox = try Sandbox.trainable()
    try sandbox.write("a.jsonl", #"{"text": "a", "label": 1}"# + "\n[]\n")
    let outcome = try sandbox.run("init", "model", "a.jsonl")
    #expect(
      outcome.status == 65 && outcome.errorLines == ["swift-peft: error: a.jsonl:2: must be an object, not a list"])
    try sandbox.write("b.csv", "")
    #expect(try sandbox.run("init", "model", "b.csv").errorLines == ["swift-peft: error: b.csv: the file is empty"])
  }
}
