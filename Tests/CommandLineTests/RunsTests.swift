import Foundation
import RunStore
import StrictJSON
import Testing

/// `swift-peft runs …` on a database that was filled by hand.
@Suite struct RunsTests {
  let sandbox: Sandbox

  init() throws {
    sandbox = try Sandbox()
    let store = try RunStore(path: sandbox.place("runs/swift-peft.sqlite"))
    for (index, strategy) in ["lora", "lora", "aslora", "aslora"].enumerated() {
      let seed = index % 2 + 1
      let name = "\(strategy)-\(seed)"
      let id = try store.beginRun(
        RunDetails(
          name: name, model: "models/m", modelType: "bert", task: index == 3 ? "mrpc" : "sst2", strategy: strategy,
          r: 8,
          loraAlpha: 16, seed: seed, precision: "float32", threads: 2,
          parameters: ParameterCounts(adapter: strategy == "lora" ? 294_912 : 73_728, trainable: 300_000, total: 1),
          config: """
            {"name": "\(name)", "adapter": {"strategy": "\(strategy)", "r": 8}, "training": {"seed": \(seed)}}
            """, outputDir: "runs/\(name)", version: "0.1.0"))
      for step in 1...5 {
        try store.record(
          run: id,
          metrics: [MetricPoint(step: step, epoch: 0.5, split: .train, name: "loss", value: 1 / Double(step))])
      }
      try store.record(
        run: id,
        metrics: [
          MetricPoint(step: 5, epoch: 1, split: .validation, name: "accuracy", value: 0.8 + 0.02 * Double(index)),
          MetricPoint(step: 5, epoch: 1, split: .validation, name: "loss", value: 0.5),
        ])
      if strategy == "aslora" {
        try store.record(
          run: id,
          [.merge(MergeRecord(step: 3, module: "query", lowerLayer: 0, upperLayer: 1, distance: 0.25, groupsLeft: 3))])
      }
      if index < 3 { try store.finishRun(id, status: .completed) }
    }
    try store.finishRun(4, status: .failed)
  }

  private func ids(_ arguments: String...) throws -> [Int] {
    let command = try sandbox.start(["runs", "list", "--json"] + arguments)
    let outcome = try command.finish()
    #expect(outcome.status == 0, "\(outcome.err)")
    return try outcome.json().array?.compactMap { $0["id"]?.integer } ?? []
  }

  @Test func listsNewestFirstAndFilters() throws {
    #expect(try ids() == [4, 3, 2, 1])
    #expect(try ids("--reverse") == [1, 2, 3, 4])
    #expect(try ids("--strategy", "lora") == [2, 1])
    #expect(try ids("--status", "failed") == [4])
    #expect(try ids("--task", "sst2", "--sort", "id") == [1, 2, 3])
    #expect(try ids("--name", "*-1") == [3, 1])
    #expect(try ids("--name", "lora-?") == [2, 1])
    #expect(try ids("--model", "models/*", "--limit", "2") == [4, 3])
    #expect(try ids("--model", "other").isEmpty)
    #expect(try ids("--sort", "score") == [4, 3, 2, 1])
    #expect(try ids("--sort", "parameters") == [4, 3, 2, 1])
    #expect(try ids("--sort", "name") == [3, 4, 1, 2])
  }

  @Test func theTableSaysWhatCounts() throws {
    let outcome = try sandbox.run("runs")
    let lines = outcome.out.split(separator: "\n")
    #expect(lines.count == 5 && lines[0].hasPrefix("id  name"))
    #expect(lines[4].contains("lora-1") && lines[4].contains("294,912") && lines[4].hasSuffix("0.8000 accuracy"))
    let none = try sandbox.run("runs", "list", "--name", "nothing")
    #expect(none.status == 0 && none.out.isEmpty && none.err == "runs/swift-peft.sqlite: no run matches\n")
  }

  @Test func showsConfigResultsMergesAndAChart() throws {
    let outcome = try sandbox.run("runs", "show", "3")
    #expect(outcome.status == 0)
    for part in [
      "3 aslora-1, completed", "adapter.strategy  aslora", "0.840000", "0+1 | 2 | 3", "train loss\n", "1.000 |*",
    ] {
      #expect(outcome.out.contains(part), "\(part)")
    }
    #expect(!outcome.out.contains("\u{1B}") && outcome.out.split(separator: "\n").allSatisfy { $0.count <= 100 })
    #expect(
      try sandbox.run("runs", "show", "1", "--metric", "f1").out.contains("no train f1 was recorded; available: "))
    let json = try sandbox.run("runs", "show", "3", "--json").json()
    #expect(json["metrics"]?.array?.count == 7 && json["merges"]?.array?.first?["distance"]?.number == 0.25)
    #expect(json["config"]?["adapter"]?["r"]?.integer == 8)
  }

  @Test func comparesConfigsAndMeansOverSeeds() throws {
    let outcome = try sandbox.run("runs", "compare", "1", "2", "3")
    #expect(outcome.status == 0)
    #expect(outcome.out.contains("adapter.strategy  lora      lora      aslora"))
    #expect(outcome.out.contains("0.8100 ± 0.0141"))
    let json = try sandbox.run("runs", "compare", "1", "2", "3", "--json").json()
    let results = json["results"]?.array
    #expect(results?.count == 2 && results?[0]["runs"]?.array?.map { $0.integer } == [1, 2])
    #expect(abs((results?[0]["metrics"]?["accuracy"]?["std"]?.number ?? 0) - 0.0141421356) < 1e-9)
    #expect(results?[1]["metrics"]?["accuracy"]?["std"]?.isNull == true)
    #expect(try sandbox.run("runs", "compare", "1", "--task", "sst2").status == 64)
    #expect(try sandbox.run("runs", "compare", "--name", "nothing").status == 66)
  }

  @Test func writesAReport() throws {
    let outcome = try sandbox.run("runs", "report", "--output", "new/report.html", "--json")
    #expect(outcome.status == 0)
    #expect(try outcome.json()["runs"]?.integer == 4)
    #expect(try sandbox.text("new/report.html").hasPrefix("<!doctype html>"))
    #expect(try sandbox.run("runs", "report", "--output", "runs/swift-peft.sqlite/x.html").status == 73)
  }

  @Test func exportsMetrics() throws {
    let csv = try sandbox.run("runs", "export", "1", "--split", "validation").out
    #expect(csv.split(separator: "\n").count == 3 && csv.contains("1,lora-1,lora,1,5,1.0,validation,accuracy,0.8\n"))
    #expect(try sandbox.run("runs", "export", "--format", "jsonl", "--output", "m.jsonl").out.isEmpty)
    #expect(try sandbox.text("m.jsonl").split(separator: "\n").count == 28)
    #expect(try sandbox.run("runs", "export", "--format", "xml").status == 64)
  }

  @Test func deletesOnlyWhenToldTo() throws {
    let asked = try sandbox.run("runs", "delete", "1", "2")
    #expect(asked.status == 64 && asked.err.contains("--yes") && asked.out.contains("lora-2"))
    #expect(try ids() == [4, 3, 2, 1])
    #expect(try sandbox.run("runs", "delete", "1", "9", "--yes").status == 66)
    #expect(try sandbox.run("runs", "delete", "1", "2", "1", "--yes").status == 0)
    #expect(try ids() == [4, 3])
  }

  @Test func readersMakeNoDatabase() throws {
    for verb in [
      ["list"], ["show", "1"], ["compare"], ["report", "-o", "r.html"], ["export"], ["delete", "1", "--yes"],
    ] {
      let command = try sandbox.start(["runs"] + verb + ["--database", "none/runs.sqlite"])
      let outcome = try command.finish()
      #expect(outcome.status == 66 && outcome.err.contains("none/runs.sqlite: no such database"), "\(verb)")
    }
    #expect(!sandbox.exists("none") && !sandbox.exists("r.html"))
    #expect(try sandbox.run("runs", "show", "77").status == 66)
  }

  /// In a directory where nothing can be made, by a user who may only read.
  @Test func readersNeedNoPermissionToWrite() throws {
    for ending in ["-wal", "-shm"] {
      try? FileManager.default.removeItem(atPath: sandbox.place("runs/swift-peft.sqlite" + ending))
    }
    let asReader = getuid() == 0 ? "setpriv --reuid 65534 --regid 65534 --clear-groups " : ""
    guard try asReader.isEmpty || sandbox.shell("command -v setpriv").status == 0 else { return }
    let command =
      "chmod 555 runs . && chmod 444 runs/* && \(asReader)\"$TOOL\" runs list; code=$?; chmod 755 . runs; exit $code"
    let outcome = try sandbox.shell(command)
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(outcome.out.contains("aslora-2"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: sandbox.place("runs")) == ["swift-peft.sqlite"])
  }
}
