import Adapters
import Foundation
import StrictJSON
import Testing

@Suite struct InitTests {
  @Test func looksAtModelAndGLUEData() throws {
    let sandbox = try Sandbox.trainable()
    let outcome = try sandbox.run("init", "model", "data")
    #expect(outcome.status == 0, "\(outcome.err)")
    let config = try JSONParser.parse(Array(outcome.out.utf8), file: "out", dialect: .config)
    #expect(config["task"]?["name"]?.string == "sst2" && config["task"]?["max_seq_length"]?.integer == 16)
    #expect(outcome.out.contains("// bert, 3 layers of width ") && outcome.out.contains("60 examples"))
    #expect(outcome.out.contains("2 classes: 0, 1"))
  }

  /// Lengths are those of the first 2,000 examples, steps those of all.
  @Test func countsAllExamples() throws {
    let sandbox = try Sandbox.trainable()
    let lines = try sandbox.text("data/train.tsv").split(separator: "\n")
    let rows = (0..<2_100).map { String(lines[1 + $0 % (lines.count - 1)]) }
    try sandbox.write("data/train.tsv", ([String(lines[0])] + rows).joined(separator: "\n") + "\n")
    let outcome = try sandbox.run("init", "model", "data")
    #expect(outcome.out.contains("// 2,100 examples: ") && outcome.out.contains("Of the first 2,000 examples"))
  }

  @Test func whatItWritesTrains() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("init", "model", "data", "--output", "mine.json", "--strategy", "share-a").status == 0)
    let trained = try sandbox.run("train", "mine.json", "--set", "training.max_steps=2", "--set", "adapter.r=2")
    #expect(trained.status == 0, "\(trained.err)")
    #expect(sandbox.exists("runs/mine/adapter_model.safetensors"))
    let refused = try sandbox.run("init", "model", "data", "--output", "mine.json")
    #expect(refused.status == 73 && refused.err.contains("--force"))
    #expect(try sandbox.run("init", "model", "data", "--output", "mine.json", "--force").status == 0)
  }

  @Test(arguments: [
    ("text\tlabel\n", "\"text\"", "\"label\"", true), ("", "1", "0", false),
    ("stars\tcomment\n", "\"comment\"", "\"stars\"", true),
  ])
  func findsTheColumnsOfATable(header: String, text: String, label: String, hasHeader: Bool) throws {
    let sandbox = try Sandbox.trainable()
    let isTextFirst = header.hasPrefix("text")
    let rows = (0..<40).map { row in
      let sentence = "the movie number \(row) is good", label = row % 2 == 0 ? "yes" : "no"
      return isTextFirst ? "\(sentence)\t\(label)\n" : "\(label)\t\(sentence)\n"
    }
    try sandbox.write("table.tsv", header + rows.joined())
    let outcome = try sandbox.run("init", "model", "table.tsv", "--validation-file", "table.tsv")
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(outcome.out.contains("\"text_columns\": [\(text)],") && outcome.out.contains("\"label_column\": \(label),"))
    #expect(outcome.out.contains("\"has_header\": false") == !hasHeader)
    #expect(outcome.out.contains("2 classes: no, yes"))
  }

  @Test func mistakesHaveTheirStatus() throws {
    let sandbox = try Sandbox.trainable()
    try sandbox.write("other/train.tsv", "a\tb\n1\t2\n")
    #expect(try sandbox.run("init", "model", "nowhere").status == 66)
    #expect(try sandbox.run("init", "nowhere", "data").status == 66)
    let other = try sandbox.run("init", "model", "other")
    #expect(
      other.errorLines == [
        "swift-peft: error: other/train.tsv: no texts with labels, no conversations and no words with tags were found"
      ], "\(other.err)")
    #expect(other.status == 65)
    try sandbox.write("empty/notes.md", "a")
    let none = try sandbox.run("init", "model", "empty")
    #expect(
      none.status == 65 && none.err.contains("empty: is none of GLUE's data sets as distributed, and has no file"))
    let pattern = try sandbox.run("init", "model", "no-*.csv")
    #expect(pattern.status == 66 && pattern.errorLines == ["swift-peft: error: no-*.csv: matches no file"])
    #expect(try sandbox.run("init", "model", "data", "--task", "sst3").status == 64)
    #expect(try sandbox.run("init", "model").status == 64)
    #expect(try sandbox.run("init", "model", "data", "--strategy", "loora").status == 64)
  }

  /// Options have defaults that fit the model; what only the person knows is named.
  @Test(arguments: AdapterMethod.all.map(\.name)) func everyStrategyIsAccepted(strategy: String) throws {
    let sandbox = try Sandbox.trainable()
    let made = try sandbox.run("init", "model", "data", "--output", "mine.json", "--strategy", strategy)
    #expect(made.status == 0, "\(made.err)")
    let dry = try sandbox.run("train", "mine.json", "--dry-run", "--set", "adapter.r=4")
    if try AdapterMethod.named(strategy).design.adoption == nil {
      #expect(dry.status == 0, "\(dry.err)")
    } else {
      let note = "put its directory in the place of \"DIRECTORY\" before you train"
      #expect(made.err.hasPrefix("adapter.init_from: \(strategy) goes on from an adapter; \(note)\n"))
      #expect(dry.err == "swift-peft: error: DIRECTORY/adapter_config.json: No such file or directory\n")
    }
  }

  @Test func theSchemaIsPrinted() throws {
    let sandbox = try Sandbox()
    let outcome = try sandbox.run("schema")
    #expect(outcome.status == 0)
    #expect(try outcome.json()["title"]?.string == "swift-peft run config")
    let committed = try String(contentsOfFile: "\(Repository.path)/configs/run-config.schema.json", encoding: .utf8)
    #expect(outcome.out == committed)
  }
}
