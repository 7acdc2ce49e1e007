import Configuration
import Diagnostics
import Testing

@Suite struct SweepTests {
  private func text(_ sweep: String, training: String = "\"seed\": 9") -> String {
    """
    {
      "name": "s", "model": "m",
      "task": { "name": "sst2", "data_dir": "d" },
      "training": { \(training) },
      "output_dir": "runs/s",
      "sweep": {
        \(sweep)
      },
    }
    """
  }

  private func refusal(_ text: String, overrides: [String] = []) -> (any UserFacingError)? {
    do {
      _ = try SweepConfig.load(text: text, file: "s.json", overrides: overrides)
      return nil
    } catch {
      return error as? any UserFacingError
    }
  }

  @Test func everyCombinationIsARun() throws {
    let sweep = try SweepConfig.load(
      text: text(
        """
        "adapter.strategy": ["lora", "aslora"], // the last one changes fastest
        "training.seed": [1, 2],
        """))
    #expect(sweep.name == "s" && sweep.outputDir == "runs/s" && sweep.paths == ["adapter.strategy", "training.seed"])
    #expect(
      sweep.members.map(\.label) == [
        "strategy-lora_seed-1", "strategy-lora_seed-2", "strategy-aslora_seed-1", "strategy-aslora_seed-2",
      ])
    #expect(sweep.members.map(\.config.adapter.strategy) == ["lora", "lora", "aslora", "aslora"])
    #expect(sweep.members.map(\.config.training.seed) == [1, 2, 1, 2])
    #expect(sweep.members[3].config.name == "s/strategy-aslora_seed-2")
    #expect(sweep.members[3].config.outputDir == "runs/s/strategy-aslora_seed-2")
    #expect(Set(sweep.members.map(\.config.database)) == [RunConfig.defaultDatabase])
  }

  @Test func listsOfListsAndSectionsCanVary() throws {
    let sweep = try SweepConfig.load(
      text: text(
        """
        "adapter.target_modules": [["query"], ["query", "value"], "all-linear"],
        "adapter.aslora": [{"num_merges": 1}, {"num_merges": 2}],
        "task.train_file": ["a b/c", "a b.c"]
        """), overrides: ["training.seed=3"])
    #expect(sweep.members.count == 12)
    #expect(sweep.members[3].config.adapter.targetModules == .suffixes(["query"]))
    #expect(sweep.members[3].config.adapter.aslora.numMerges == 2)
    #expect(sweep.members[5].label == "target_modules-query+value_aslora---num-merges--1-_train_file-a-b.c")
    #expect(Set(sweep.members.map(\.label)).count == 12)
    #expect(sweep.members.allSatisfy { $0.config.training.seed == 3 })
  }

  @Test func labelsThatBecomeTheSameAreNumbered() throws {
    let sweep = try SweepConfig.load(text: text("\"task.train_file\": [\"a/b\", \"a b\", \"a-b\"]"))
    #expect(sweep.members.map(\.label) == ["train_file-a-b", "train_file-a-b_2", "train_file-a-b_3"])
  }

  @Test(arguments: [
    ("\"adapter.rr\": [1]", "s.json:7: sweep.adapter.rr: unknown key, did you mean r?"),
    ("\"lr\": [1]", "s.json:7: sweep.lr: unknown key, did you mean learning_rate?"),
    ("\"training.seed\": 1", "s.json:7: sweep.training.seed: must be a list of values, not 1"),
    ("\"training.seed\": []", "s.json:7: sweep.training.seed: must be a list of values, not an empty list"),
    ("\"output_dir\": [\"a\"]", "s.json:7: sweep.output_dir: follows from the values of a run and cannot vary"),
    ("", "s.json:6: sweep: must be an object of paths and lists of their values"),
    (
      "\"training.seed\": [1, 2], \"adapter.r\": [0]",
      "s.json:7: adapter.r: must be a whole number of at least 1, not 0"
    ),
  ])
  func mistakesAreNamedOnceWithTheirPlace(sweep: String, message: String) {
    let error = refusal(text(sweep))
    #expect(error?.description == message)
    #expect(error?.exitStatus == .badInput)
  }

  @Test func tooManyRunsAreRefused() {
    let many = (0..<101).map(String.init).joined(separator: ",")
    let message = refusal(text("\"training.seed\": [\(many)], \"adapter.r\": [\(many)]"))?.description
    #expect(message == "s.json:6: sweep: makes more than 10000 runs")
  }

  @Test func aRunConfigIsNoSweepAndTheOtherWayRound() {
    let plain = "{ \"model\": \"m\", \"task\": { \"name\": \"sst2\", \"data_dir\": \"d\" } }"
    #expect(refusal(plain)?.description.hasPrefix("s.json:1: sweep: is missing: a sweep has a section like") == true)
    let message = error(text("\"training.seed\": [1]"))?.description
    #expect(
      message == "run.json:6: sweep: makes many runs of one config: this is for \"swift-peft sweep\"")
  }
}
