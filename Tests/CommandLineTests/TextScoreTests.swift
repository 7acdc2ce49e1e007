import Foundation
import RunStore
import StrictJSON
import Testing

/// Texts for meaning representations: generated, kept, scored.
@Suite struct TextScoreTests {
  private static let names = ["bleu", "nist", "rouge_l", "cider"]
  private static let meteor = "METEOR is left out: METEOR_JAR does not name meteor-1.5.jar"

  @Test func evalGeneratesAndScores() throws {
    let sandbox = try Sandbox.meanings()
    let trained = try sandbox.run("train", "config.json", "--json")
    #expect(trained.status == 0, "\(trained.err)")
    // Texts take long: the scores while training are those of the loss.
    let measured = try #require(trained.json()["results"]?.array?.first)
    #expect(measured["bleu"] == nil && measured["loss"]?.number != nil)
    let flags = ["--num-beams", "3", "--max-new-tokens", "8", "--length-penalty", "1", "--no-repeat-ngram-size", "0"]
    func scored(_ more: String...) throws -> JSONNode {
      let outcome = try sandbox.start(["eval", "run", "--json"] + more + flags, withoutMeteor: true).finish()
      #expect(outcome.status == 0, "\(outcome.err)")
      #expect(outcome.err.contains(Self.meteor))
      return try #require(outcome.json()["results"]?.array?.first)
    }
    let scores = try scored("--predictions", "p.tsv")
    #expect(scores["loss"]?.number == measured["loss"]?.number && scores["meteor"] == nil)
    #expect(try JSONParser.parse(sandbox.text("run/eval_results.json"))["cider"]?.number == scores["cider"]?.number)
    let store = try RunStore.openExisting(path: sandbox.place("runs.sqlite"))
    let metrics = try store.metrics(run: Int64(trained.json()["run_id"]?.integer ?? 0))
    #expect(metrics.contains { $0.name == "bleu" && $0.value == scores["bleu"]?.number && $0.split == .validation })

    // The texts are those of generate, one for each meaning.
    let rows = try sandbox.text("p.tsv").split(separator: "\n").map {
      $0.split(separator: "\t", omittingEmptySubsequences: false)
    }
    #expect(rows.map(\.count) == [3, 3, 3] && rows[0] == ["index", "prediction", "label"])
    #expect(rows.map { $0[2] } == ["label", "the very good film", "a bad film, \"B\""])
    let said = try sandbox.start(
      ["generate", "run"] + flags.dropLast(0), input: "name[A], area[very good]\nname[B], area[bad]\n"
    ).finish()
    let texts = said.out.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map {
      $0.trimmingCharacters(in: .whitespaces)
    }
    #expect(rows.dropFirst().map { String($0[1]) } == texts, "\(said.err)")

    // And scored by themselves they get the same.
    try sandbox.write("texts.txt", texts.joined(separator: "\n") + "\n")
    for file in ["p.tsv", "texts.txt"] {
      let again = try sandbox.start(["score", file, "data/devset.csv", "--json"], withoutMeteor: true).finish()
      #expect(again.status == 0, "\(again.err)")
      for name in Self.names { #expect(try again.json()[name]?.number == scores[name]?.number, "\(name)") }
      #expect(try again.json()["examples"]?.integer == 2)
    }
    #expect(try scored("--split", "test")["examples"]?.integer == 1)
    let lossOnly = try sandbox.run("eval", "run", "--json", "--loss-only")
    #expect(try lossOnly.json()["results"]?.array?.first?["bleu"] == nil)
    #expect(try lossOnly.json()["results"]?.array?.first?["loss"]?.number == measured["loss"]?.number)
  }

  @Test func perfectTexts() throws {
    let sandbox = try Sandbox.meanings()
    try sandbox.write("texts.txt", "the very good film\r\na bad film, \"B\"\r\n")
    let outcome = try sandbox.start(["score", "texts.txt", "data/devset.csv"], withoutMeteor: true).finish()
    #expect(outcome.status == 0 && outcome.err.hasPrefix("note: " + Self.meteor), "\(outcome.err)")
    let cells = outcome.out.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    #expect(cells[0] == Self.names + ["examples"])
    #expect(cells[1][0] == "1.000000" && cells[1][2] == "1.000000" && cells[1][4] == "2")
  }

  @Test func badInputIsNamed() throws {
    let sandbox = try Sandbox.meanings()
    func refused(_ arguments: String..., status: Int32 = 65) throws -> String {
      let outcome = try sandbox.start(arguments).finish()
      #expect(outcome.status == status && outcome.out.isEmpty, "\(outcome.err)")
      return outcome.err
    }
    try sandbox.write("texts.txt", "one\n")
    #expect(
      try refused("score", "texts.txt", "data/devset.csv").contains(
        "texts.txt: 1 text, but data/devset.csv has 2 meaning representations"))
    #expect(try refused("score", "none.txt", "data/devset.csv", status: 66).contains("none.txt: no such file"))
    #expect(try refused("score", "texts.txt", "none.csv", status: 66).contains("none.csv: no such file"))
    try sandbox.write("texts.txt", "")
    #expect(try refused("score", "texts.txt", "data/devset.csv").contains("texts.txt: the file is empty"))
    try sandbox.write("texts.txt", "index\tprediction\tlabel\n0\ta\t\n2\tb\t\n")
    #expect(try refused("score", "texts.txt", "data/devset.csv").contains("texts.txt:3: must be 1, a TAB and a text"))
    try sandbox.write("texts.txt", "one\n")
    try sandbox.write("bad.csv", "mr,text\nname[A],x\n")
    #expect(
      try refused("score", "texts.txt", "bad.csv").contains("bad.csv:1: the header must have the columns mr and ref"))
    #expect(
      try refused("eval", "config.json", "--loss-only", "--num-beams", "2", status: 64).contains("generates no texts"))
    #expect(
      try refused("eval", "config.json", "--num-beams", "0", status: 64).contains("--num-beams must be at least 1"))
    #expect(
      try refused("eval", "config.json", "--loss-only", "--predictions", "p.tsv").contains("has no labels to predict"))
    #expect(
      try refused(
        "eval", "config.json", "--num-beams", "2", "--set", "task.name=instruct", "--set", "task.data_dir=null",
        "--set", "task.train_file=x.json", status: 64
      ).contains("apply to task e2e only, not to instruct"))
    try sandbox.write("data/devset.csv", "mr,ref\n\"name[\(String(repeating: "very ", count: 100))]\",good\n")
    #expect(
      try refused("eval", "config.json", "--output-dir", "base").contains("data/devset.csv"))
  }
}

extension Sandbox {
  /// A sandbox with a tiny GPT-2 and meaning representations.
  static func meanings() throws -> Sandbox {
    let sandbox = try Sandbox.language("gpt2-tiny", task: "causal-lm")
    func rows(_ texts: [(String, String, String)]) -> String {
      "mr,ref\n"
        + texts.map { "\"name[\($0.0)], area[\($0.1)]\",\"\($0.2.replacing("\"", with: "\"\""))\"\n" }.joined()
    }
    try sandbox.write(
      "data/trainset.csv", rows([("A", "good", "the good film"), ("B", "bad", "a bad film"), ("C", "bad", "a film")]))
    try sandbox.write(
      "data/devset.csv",
      rows([
        ("A", "very good", "the very good film"), ("B", "bad", "a bad film, \"B\""), ("A", "very good", "a good story"),
      ]))
    try sandbox.write("data/testset_w_refs.csv", rows([("C", "good", "the film is good")]))
    try sandbox.write(
      "config.json",
      """
      {
        "name": "tiny", "model": "model",
        "task": { "name": "e2e", "data_dir": "data", "max_seq_length": 48 },
        "adapter": { "strategy": "share-a", "r": 2, "target_modules": ["c_attn.q", "c_attn.v"] },
        "training": { "max_steps": 10, "train_batch_size": 2, "learning_rate": 3e-2 },
        "output_dir": "run", "database": "runs.sqlite",
      }
      """)
    return sandbox
  }

  /// Starts `swift-peft` here, in an environment that has no METEOR.
  func start(_ arguments: [String], withoutMeteor: Bool) throws -> Command {
    try Command(
      executable: Tool.path(), arguments, in: path, input: "", environment: withoutMeteor ? ["METEOR_JAR": ""] : [:])
  }
}
