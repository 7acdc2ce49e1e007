import Foundation
import StrictJSON
import Testing

/// Words with tags from config to predictions.
@Suite struct TokenClassificationTests {
  @Test func trainsScoresAndPredicts() throws {
    let sandbox = try Sandbox.tags()
    let trained = try sandbox.run("train", "config.json", "--json")
    #expect(trained.status == 0, "\(trained.err)")
    let scores = try #require(trained.json()["results"]?.array?.first)
    #expect(try #require(scores["f1"]?.number) > 0.2, "\(trained.out)")
    let again = try sandbox.run("eval", "run", "--json", "--predictions", "p.tsv")
    #expect(again.status == 0, "\(again.err)")
    let same = try #require(again.json()["results"]?.array?.first)
    for name in ["f1", "precision", "recall", "accuracy", "loss", "examples"] {
      #expect(same[name]?.number == scores[name]?.number, "\(name)")
    }
    let rows = try sandbox.text("p.tsv").split(separator: "\n").map { $0.split(separator: "\t") }
    #expect(rows[0].prefix(4) == ["index", "word", "prediction", "label"] && rows[0].count == 8)
    #expect(rows.dropFirst().allSatisfy { $0.count == 8 } && rows[1].prefix(2) == ["0", "0"])
    let hits = rows.dropFirst().filter { $0[2] == $0[3] }.count
    #expect(Double(hits) / Double(rows.count - 1) == scores["accuracy"]?.number)

    // The same tags for columns and for the same words in a line.
    let columns = try sandbox.run("predict", "run", "dev.conll", "--quiet")
    #expect(columns.status == 0 && columns.err.isEmpty, "\(columns.err)")
    let words = columns.out.split(separator: "\n").map { $0.split(separator: "\t") }
    #expect(words.allSatisfy { $0.count == 3 } && words.map { $0[2] } == rows.dropFirst().map { $0[2] })
    let lines = try sandbox.text("dev.conll").components(separatedBy: "\n\n").map { sentence in
      sentence.split(separator: "\n").compactMap { $0.split(separator: " ").first }.joined(separator: " ")
    }.joined(separator: "\n")
    let plain = try sandbox.run("predict", "run", input: lines)
    let tagged = plain.out.split(separator: "\n").map { $0.split(separator: "\t") }
    #expect(tagged.map { $0[1] } == words.map { $0[2] } && tagged.map { $0[0] } == words.map { $0[0] })
    let json = try sandbox.run("predict", "run", "--json", input: "the old harbour was quiet\nwas quiet\n")
    #expect(json.status == 0, "\(json.err)")
    let objects = try json.out.split(separator: "\n").map { try JSONParser.parse(String($0)) }
    #expect(objects.map { $0["tokens"]?.array?.count } == [5, 2])
    #expect(objects.allSatisfy { $0["tags"]?.array?.count == $0["tokens"]?.array?.count && $0["entities"] != nil })
  }

  @Test func longSentencesAreCutAloudAndPredictedInPieces() throws {
    let sandbox = try Sandbox.tags()
    #expect(try sandbox.run("train", "config.json").status == 0)
    let long = Array(repeating: "harbour", count: 60)
    try sandbox.write("long.conll", long.map { "\($0) B-X" }.joined(separator: "\n") + "\n")
    let scored = try sandbox.run("eval", "run", "--set", "task.validation_file=long.conll", "--predictions", "p.tsv")
    #expect(scored.status == 0, "\(scored.err)")
    let counted = try sandbox.text("p.tsv").split(separator: "\n").count - 1
    #expect(counted < 60)
    let rest = "1 sentence has more than 32 tokens (task.max_seq_length): their last words, \(60 - counted) of 60, are"
    #expect(scored.err.contains("long.conll: \(rest) neither learnt nor scored"), "\(scored.err)")
    let tagged = try sandbox.run("predict", "run", input: long.joined(separator: " ") + "\n")
    #expect(tagged.out.split(separator: "\n").count == 60)
    #expect(!tagged.out.contains("_"))
    #expect(
      tagged.err.contains("stdin: 1 sentence has more than 32 tokens (task.max_seq_length): the model reads them"))
  }

  @Test func exportsAndMergesAsTokenClassification() throws {
    let sandbox = try Sandbox.tags()
    #expect(try sandbox.run("train", "config.json").status == 0)
    let exported = try sandbox.run("export", "run", "--format", "peft", "--output", "peft")
    #expect(exported.status == 0, "\(exported.err)")
    let config = try JSONParser.parse(sandbox.text("peft/adapter_config.json"))
    #expect(config["task_type"]?.string == "TOKEN_CLS")
    #expect(config["modules_to_save"]?.array?.compactMap(\.string) == ["classifier"])
    let merged = try sandbox.run("merge", "run", "--output", "merged")
    #expect(merged.status == 0 && !merged.out.contains("not compared"), "\(merged.err)\(merged.out)")
    let model = try JSONParser.parse(sandbox.text("merged/config.json"))
    #expect(model["architectures"]?.array?.first?.string == "BertForTokenClassification")
    #expect(model["id2label"]?["0"]?.string == "B-X" && model["problem_type"] == nil)
    // PEFT's form, and the merged model's own head, score alike.
    func f1(_ arguments: String...) throws -> Double {
      let outcome = try sandbox.start(["eval", "config.json", "--json", "--output-dir", "other"] + arguments).finish()
      #expect(outcome.status == 0, "\(outcome.err)")
      return try #require(outcome.json()["results"]?.array?.first?["f1"]?.number)
    }
    let native = try f1("--adapter", "run")
    #expect(try f1("--adapter", "peft") == native)
    #expect(abs(try f1("--set", "model=merged") - native) < 0.05)
  }

  @Test func otherHeadsAndFamiliesAreRefused() throws {
    let sandbox = try Sandbox.tags()
    #expect(try sandbox.run("train", "config.json").status == 0)
    var config = try sandbox.text("run/adapter_config.json")
    config = config.replacingOccurrences(of: "TOKEN_CLS", with: "SEQ_CLS")
    try sandbox.write("run/adapter_config.json", config)
    let refused = try sandbox.run("eval", "config.json", "--adapter", "run", "--output-dir", "other")
    #expect(refused.status == 65)
    #expect(refused.err.contains("run: the adapter was trained for SEQ_CLS; this task is TOKEN_CLS"), "\(refused.err)")
    try sandbox.write("granite/config.json", #"{"model_type": "granite"}"#)
    let other = try sandbox.run("train", "config.json", "--overwrite", "--set", "model=granite")
    #expect(other.status == 65)
    #expect(other.err.contains("granite: transformers has no granite model for token classification; supported: bert"))
  }

  @Test func plansAndTrainsTheSameOnAnyThreads() throws {
    let sandbox = try Sandbox.tags()
    let plan = try sandbox.run("train", "config.json", "--dry-run")
    #expect(
      plan.status == 0 && plan.out.contains("token-classification, 60 training examples, 4 outputs"), "\(plan.err)")
    // No pooler, 4 outputs: as the run counts.
    // A file called config.json would be a model's.
    try sandbox.write("tags.json", sandbox.text("config.json"))
    let compared = try sandbox.run("compare-params", "tags.json", "--format", "json")
    let planned = try sandbox.run("train", "config.json", "--dry-run", "--json").json()
    let total = try #require(planned["total_parameters"]?.integer)
    let adapter = try #require(planned["adapter_parameters"]?.integer)
    #expect(try compared.json()["total_parameters"]?.integer == total - adapter)
    #expect(try sandbox.run("train", "config.json", "--threads", "1").status == 0)
    #expect(try sandbox.run("train", "config.json", "--threads", "2", "--set", "output_dir=other").status == 0)
    #expect(try sandbox.read("run/adapter_model.safetensors") == sandbox.read("other/adapter_model.safetensors"))
  }

  @Test func initRecognisesColumns() throws {
    let sandbox = try Sandbox.tags()
    let outcome = try sandbox.run("init", "model", "train.conll", "--validation-file", "dev.conll")
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(outcome.out.contains(#""name": "token-classification""#) && outcome.out.contains("4 classes: B-X, B-Y"))
  }
}

extension Sandbox {
  /// A tiny BERT, sentences whose tags follow from their words, and a config.
  static func tags() throws -> Sandbox {
    let sandbox = try Sandbox.trainable()
    let kinds = [("harbour", "B-X"), ("man", "I-X"), ("film", "B-Y"), ("the", "O"), ("was", "O"), ("a", "O")]
    func sentences(_ count: Int, _ seed: Int) -> String {
      (0..<count).map { row in
        (0..<(3 + row % 4)).map { place in
          let (word, tag) = kinds[(row * 7 + place * (seed + row % 3)) % kinds.count]
          return "\(word) \(tag)\n"
        }.joined() + "\n"
      }.joined()
    }
    try sandbox.write("train.conll", sentences(60, 5))
    try sandbox.write("dev.conll", sentences(12, 3))
    try sandbox.write(
      "config.json",
      """
      {
        "name": "tags", "model": "model",
        "task": { "name": "token-classification", "train_file": "train.conll", "validation_file": "dev.conll",
                  "max_seq_length": 32 },
        "adapter": { "r": 2 },
        "training": { "max_steps": 30, "train_batch_size": 8, "learning_rate": 3e-2, "save_steps": 10 },
        "output_dir": "run", "database": "runs.sqlite"
      }
      """)
    return sandbox
  }
}
