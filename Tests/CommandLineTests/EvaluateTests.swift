import Foundation
import RunStore
import StrictJSON
import Testing

@Suite struct EvaluateTests {
  @Test(arguments: ["lora", "share-ab-qkv", "aslora", "none"])
  func givesTheLoggedNumbersExactly(strategy: String) throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("train", "config.json", "--set", "adapter.strategy=\(strategy)").status == 0)
    let trained = try sandbox.read("run/eval_results.json")
    let store = try RunStore.openExisting(path: sandbox.place("runs.sqlite"))
    let logged = try store.metrics(run: 1)

    for threads in ["1", "2"] {
      let outcome = try sandbox.run("eval", "run", "--json", "--threads", threads)
      #expect(outcome.status == 0, "\(outcome.err)")
      #expect(try sandbox.read("run/eval_results.json") == trained)
    }
    #expect(try store.metrics(run: 1) == logged)
    #expect(try store.runs().count == 1)
  }

  @Test func theBestStateGivesTheLoggedNumber() throws {
    let sandbox = try Sandbox.trainable()
    let outcome = try sandbox.run(
      "train", "config.json", "--json", "--set", "training.eval_strategy=steps", "--set", "training.eval_steps=3",
      "--set", "training.load_best_model_at_end=true", "--set", "training.learning_rate=0.05")
    #expect(outcome.status == 0)
    let best = try outcome.json()["results"]?.array?.first?["loss"]?.number
    let logged = try RunStore.openExisting(path: sandbox.place("runs.sqlite")).metrics(run: 1)
      .filter { $0.split == .validation && $0.name == "loss" }.map(\.value)
    #expect(best == logged.min())
    let scored = try sandbox.run("eval", "run", "--json").json()["results"]?.array?.first
    #expect(scored?["loss"]?.number == best)
  }

  @Test func scoringTheTrainingSplitLeavesTheTrainingCurve() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("train", "config.json").status == 0)
    let store = try RunStore.openExisting(path: sandbox.place("runs.sqlite"))
    let logged = try store.metrics(run: 1)
    let outcome = try sandbox.run("eval", "run", "--split", "train")
    #expect(outcome.status == 0 && outcome.err.contains("train split holds the values of training steps"))
    #expect(try store.metrics(run: 1) == logged)
  }

  @Test func scoresOfTheBaseModelDoNotKeepATrainingRunAway() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("eval", "config.json").status == 0)
    #expect(try sandbox.run("train", "config.json").status == 0)
    #expect(try sandbox.run("train", "config.json").status == 73)
  }

  @Test func otherSplitsAreAddedToTheRun() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("train", "config.json").status == 0)
    try sandbox.write("data/test.tsv", Sandbox.table(rows: 20, from: 77))
    let outcome = try sandbox.run("eval", "run", "--split", "test", "--predictions", "p.tsv")
    #expect(outcome.status == 0, "\(outcome.err)")
    let rows = try RunStore.openExisting(path: sandbox.place("runs.sqlite")).metrics(run: 1)
      .filter { $0.split == .test }
    #expect(Set(rows.map(\.name)) == ["accuracy", "loss"] && rows.allSatisfy { $0.step == 16 && $0.epoch == 2 })
    let lines = try sandbox.text("p.tsv").split(separator: "\n")
    #expect(lines.first == "index\tprediction\tlabel\tscore_0\tscore_1" && lines.count == 21)
    #expect(try JSONParser.parse(sandbox.text("run/eval_results.json"))["split"]?.string == "test")
  }

  @Test func unlabelledSplitsGivePredictionsOnly() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("train", "config.json").status == 0)
    let before = try sandbox.read("run/eval_results.json")
    try sandbox.write("data/test.tsv", "index\tsentence\n0\tgood film\n1\tbad film\n")
    let refused = try sandbox.run("eval", "run", "--split", "test")
    #expect(refused.status == 65 && refused.err.contains("--predictions"))
    #expect(try sandbox.run("eval", "run", "--split", "test", "--predictions", "p.tsv").status == 0)
    #expect(try sandbox.text("p.tsv").split(separator: "\n").count == 3)
    #expect(try sandbox.read("run/eval_results.json") == before)
  }

  @Test func aConfigScoresTheBaseModelOrAnAdapter() throws {
    let sandbox = try Sandbox.trainable()
    let base = try sandbox.run("eval", "config.json", "--json", "--output-dir", "base")
    #expect(base.status == 0 && base.err.contains("scores not recorded in the database"))
    #expect(sandbox.exists("base/eval_results.json") && !sandbox.exists("runs.sqlite"))
    #expect(try sandbox.run("train", "config.json").status == 0)
    let trained = try sandbox.read("run/eval_results.json")
    let adapter = try sandbox.run("eval", "config.json", "--adapter", "run", "--output-dir", "scored")
    #expect(adapter.status == 0)
    #expect(try sandbox.read("scored/eval_results.json") == trained)
  }

  @Test func misuse() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("eval", "data").status == 66)
    #expect(try sandbox.run("eval", "nowhere").status == 66)
    #expect(try sandbox.run("eval", "config.json", "--split", "dev").status == 64)
    #expect(try sandbox.run("eval", "config.json", "--adapter", "nowhere").status == 66)
    #expect(try sandbox.run("train", "config.json").status == 0)
    #expect(try sandbox.run("eval", "run", "--adapter", "run").status == 64)
    #expect(try sandbox.run("eval", "run", "--predictions", "nowhere/p.tsv").status == 73)
  }
}
