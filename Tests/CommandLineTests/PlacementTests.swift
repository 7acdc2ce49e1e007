import Foundation
import StrictJSON
import Testing

/// Runs whose config chooses layers and gives maps ranks and scales of their own.
@Suite struct PlacementTests {
  private static let settings = [
    #"adapter.target_modules=["query","value","dense"]"#, #"adapter.exclude_modules=".*pooler.*""#,
    "adapter.r=4", "adapter.layers_to_transform=[0,1]", #"adapter.layers_pattern="layer""#, "adapter.strategy=lora",
    #"adapter.rank_pattern={"layer\\.1\\..*query":2,"value":3}"#, #"adapter.alpha_pattern={"output.dense":5}"#,
  ].flatMap { ["--set", $0] }

  private func scores(_ sandbox: Sandbox, _ arguments: String...) throws -> [Double] {
    let outcome = try sandbox.start(["eval"] + arguments + ["--predictions", "p.tsv", "--quiet"]).finish()
    #expect(outcome.status == 0, "\(outcome.err)")
    return try sandbox.text("p.tsv").split(separator: "\n").dropFirst().flatMap { line in
      line.split(separator: "\t", omittingEmptySubsequences: false).dropFirst(3).compactMap { Double($0) }
    }
  }

  private func expectEqual(_ one: [Double], _ other: [Double]) {
    let largest = one.map(abs).max() ?? 0, difference = zip(one, other).map { abs($0 - $1) }.max() ?? .infinity
    #expect(one.count == other.count && !one.isEmpty && difference <= 1e-5 * largest, "\(difference)")
  }

  @Test func aRunWithRanksByPatternIsMergedExportedAndReadAgain() throws {
    let sandbox = try Sandbox.trainable()
    try sandbox.write("merged.json", Sandbox.config.replacingOccurrences(of: "\"model\",", with: "\"merged\","))
    try sandbox.edit("merged.json", "\"run\"", "\"scored\"")
    let outcome = try sandbox.start(["train", "config.json"] + Self.settings).finish()
    #expect(outcome.status == 0, "\(outcome.err)")
    let config = try JSONParser.parse(sandbox.text("run/run_config.json"))["adapter"]
    #expect(config?["rank_pattern"]?.object?.keys == ["layer\\.1\\..*query", "value"])
    #expect(config?["layers_pattern"]?.array?.map(\.string) == ["layer"])
    let sites = try JSONParser.parse(sandbox.text("run/adapter_config.json"))["sites"]?.object
    #expect(sites?.keys.contains { $0.contains("layer.2") || $0.contains("pooler") } == false)
    #expect(sites?["encoder.layer.1.attention.self.query"]?["r"]?.integer == 2)
    #expect(sites?["encoder.layer.0.attention.self.query"]?["r"] == nil)

    let run = try scores(sandbox, "run")
    #expect(try sandbox.run("merge", "run", "--output", "merged").status == 0)
    expectEqual(run, try scores(sandbox, "merged.json"))
    #expect(try sandbox.run("export", "run", "--format", "peft", "--output", "peft").status == 0)
    expectEqual(run, try scores(sandbox, "config.json", "--adapter", "peft"))

    // Half the alpha everywhere: another run starts at the same function.
    let start = try sandbox.start(
      ["train", "config.json", "--output-dir", "next"] + Self.settings + [
        "--set", "adapter.init_from=run", "--set", "adapter.use_rslora=true", "--set", "training.learning_rate=1e-12",
      ]
    ).finish()
    #expect(start.status == 0 && start.err.contains("B is multiplied by their ratio"), "\(start.err)")
    expectEqual(run, try scores(sandbox, "next"))
  }

  @Test func itGoesOnWhereItStopped() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.start(LifeCycleTests.long("whole") + Self.settings).finish().status == 0)
    let command = try sandbox.start(LifeCycleTests.long() + Self.settings)
    command.waitForError("step 60/400 ")
    command.send(SIGTERM)
    #expect(try command.finish().status == 143)
    let changed = try sandbox.start(LifeCycleTests.long() + Self.settings.dropLast(2) + ["--resume"]).finish()
    #expect(changed.status == 65 && changed.err.contains("adapter.alpha_pattern.output.dense: 5, now not given"))
    let resumed = try sandbox.start(LifeCycleTests.long() + Self.settings + ["--resume"]).finish()
    #expect(resumed.status == 0, "\(resumed.err)")
    try RunRecords(sandbox, output: "run", database: "run.sqlite")
      .expectEqual(RunRecords(sandbox, output: "whole", database: "whole.sqlite"), "a run with ranks by pattern")
  }

  @Test func aConfigWithoutTheKeysIsWrittenWithoutThem() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("train", "config.json", "--set", "training.max_steps=1").status == 0)
    #expect(try !sandbox.text("run/run_config.json").contains("_pattern"))
    #expect(try JSONParser.parse(sandbox.text("run/adapter_config.json"))["format_version"]?.integer == 1)
  }

  @Test func aRunUsedFromElsewhereSaysHowToGiveItsModel() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("train", "config.json", "--set", "training.max_steps=1").status == 0)
    try FileManager.default.createDirectory(atPath: sandbox.place("below"), withIntermediateDirectories: true)
    for verb in ["eval ../run", "predict ../run", "merge ../run --output m", "export ../run --format peft --output e"] {
      let outcome = try sandbox.shell("cd below && \"$TOOL\" \(verb) < /dev/null")
      #expect(outcome.status == 66, "\(verb): \(outcome.err)")
      #expect(
        outcome.err.contains(
          "../run: its model model is not here: the path is relative to the directory where train was started"),
        "\(outcome.err)")
    }
    let given = try sandbox.shell("cd below && \"$TOOL\" export ../run --format peft --output e --set model=../model")
    #expect(given.status == 0, "\(given.err)")
  }

  @Test func aRunFromElsewhereIsAnAdapter() throws {
    let sandbox = try Sandbox.language("gpt2-tiny", task: "instruct")
    #expect(try sandbox.run("train", "config.json").status == 0)
    try FileManager.default.createDirectory(atPath: sandbox.place("below"), withIntermediateDirectories: true)
    let generate = "\"$TOOL\" generate ../model --adapter ../run --prompt the --max-new-tokens 2"
    let said = try sandbox.shell("cd below && \(generate)")
    #expect(said.status == 0, "\(said.err)")
    #expect(said.err.contains("the run in ../run was trained with a prompt template; your prompts are not put into it"))
    try sandbox.write("run/run_config.json", "{")
    let damaged = try sandbox.run("generate", "model", "--adapter", "run", "--prompt", "the", "--max-new-tokens", "2")
    #expect(damaged.status == 0 && damaged.out == said.out, "\(damaged.err)")
  }
}
