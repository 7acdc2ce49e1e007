import RunStore
import StrictJSON
import Testing

@testable import Reports

@Suite struct ResultTests {
  @Test func theLastEvaluationCountsWithTheMainMetricFirst() {
    let run = recorded(
      1, metrics: validation("loss", [(1, 0.5), (2, 0.6)]) + validation("accuracy", [(1, 0.9), (2, 0.8)]))
    #expect(run.scores().map(\.name) == ["accuracy", "loss"])
    #expect(run.mainScore?.value == 0.8)
    #expect(recorded(1).mainScore == nil)
  }

  @Test(arguments: [("accuracy", 0.9), ("loss", 0.7)])
  func theBestCountsWhereTheRunEndsWithIt(metric: String, accuracy: Double) {
    let run = recorded(
      1, config: [("load_best_model_at_end", true), ("metric_for_best_model", .string(metric))],
      metrics: validation("accuracy", [(1, 0.7), (2, 0.9), (3, 0.9), (4, 0.8)])
        + validation("loss", [(1, 0.1), (2, 0.3), (3, 0.3), (4, 0.4)]))
    #expect(run.mainScore?.value == accuracy)
    #expect(run.mainScore?.step == (metric == "loss" ? 1 : 2))
  }

  @Test func groupsAreRunsThatDifferInTheSeedOnly() {
    let runs = [
      recorded(1, seed: 1, name: "a", metrics: validation("accuracy", [(1, 0.8)])),
      recorded(2, "aslora", seed: 1, adapter: 1_234_567, metrics: validation("accuracy", [(1, 0.5)])),
      recorded(3, seed: 2, name: "b", metrics: validation("accuracy", [(1, 0.9)])),
      recorded(4, seed: 3, status: .interrupted, metrics: validation("accuracy", [(1, 0.1)])),
      recorded(5, seed: 1, config: [("learning_rate", 0.1)], metrics: validation("accuracy", [(1, 0.7)])),
    ]
    let groups = SeedGroup.groups(of: runs)
    #expect(groups.map { $0.runs.map(\.run.id) } == [[1, 3, 4], [2], [5]])
    #expect(groups.map(\.label) == ["lora", "aslora", "lora learning_rate=0.1"])
    let statistic = groups[0].statistic("accuracy")
    #expect(statistic?.count == 2 && abs((statistic?.mean ?? 0) - 0.85) < 1e-12)
    #expect(abs((statistic?.deviation ?? 0) - 0.0707106781186548) < 1e-12)
    #expect(groups[1].statistic("accuracy")?.deviation == nil)
    #expect(groups[1].statistic("f1") == nil)
    #expect(
      ResultTable(runs).rows == [
        ["run", "seeds", "accuracy", "adapter", "trained"],
        ["lora", "2 of 3", "0.8500 ± 0.0707", "100", "110"], ["aslora", "1", "0.5000", "1,234,567", "1,234,577"],
        ["lora learning_rate=0.1", "1", "0.7000", "100", "110"],
      ])
  }

  @Test func differencesAreThePathsOnWhichConfigsDisagree() {
    let runs = [recorded(1), recorded(2, seed: 2, config: [("learning_rate", 0.1)])]
    let difference = ConfigDifference(runs)
    #expect(
      difference.rows == [
        ConfigDifference.Row(path: "training.seed", values: ["1", "2"]),
        ConfigDifference.Row(path: "output_dir", values: ["runs/1", "runs/2"]),
        ConfigDifference.Row(path: "training.learning_rate", values: [nil, "0.1"]),
      ])
    #expect(difference.all.count == 5)
  }

  @Test func exportsAreReadable() throws {
    let run = recorded(7, name: "a \"b\", c", metrics: validation("loss", [(1, 0.5), (2, .nan)]))
    #expect(
      MetricExport.csv([run]) == """
        run_id,run,strategy,seed,step,epoch,split,name,value
        7,"a ""b"", c",lora,1,1,0.0,validation,loss,0.5
        7,"a ""b"", c",lora,1,2,0.0,validation,loss,

        """)
    let lines = try MetricExport.jsonl([run]).split(separator: "\n").map { try JSONParser.parse(String($0)) }
    #expect(lines.map { $0["run"]?.string } == ["a \"b\", c", "a \"b\", c"])
    #expect(lines[0]["value"]?.number == 0.5 && lines[1]["value"]?.isNull == true)
  }
}
