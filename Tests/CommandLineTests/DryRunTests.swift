import Foundation
import StrictJSON
import Testing

@Suite struct DryRunTests {
  @Test func writesNothing() throws {
    let sandbox = try Sandbox.trainable()
    let before = try sandbox.listing()
    let outcome = try sandbox.run("train", "config.json", "--dry-run", "--json")
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(try sandbox.listing() == before)
    let plan = try outcome.json()
    #expect(plan["steps"]?.integer == 16 && plan["steps_per_epoch"]?.integer == 8)
    #expect(plan["warmup_steps"]?.integer == 1 && plan["train_examples"]?.integer == 60)
    #expect(plan["missing"]?.array?.isEmpty == true)
    #expect((plan["memory_bytes"]?["total"]?.integer ?? 0) > 0)
  }

  @Test func planIsWhatTheRunDoes() throws {
    let sandbox = try Sandbox.trainable()
    let plan = try sandbox.run("train", "config.json", "--dry-run", "--json").json()
    let run = try sandbox.run("train", "config.json", "--json").json()
    for key in ["adapter_parameters", "trainable_parameters"] {
      #expect(plan[key]?.integer == run[key]?.integer)
    }
    #expect(plan["steps"]?.integer == run["step"]?.integer)
  }

  @Test func namesWhatIsAddedToTheMethod() throws {
    let sandbox = try Sandbox.trainable()
    let outcome = try sandbox.run(
      "train", "config.json", "--dry-run", "--set", "adapter.use_dora=true", "--set", "adapter.strategy=lora", "--set",
      #"adapter.clora={"k": 2}"#)
    #expect(outcome.out.contains("  lora with use_dora, r ") && outcome.out.contains(", clora, on "), "\(outcome)")
  }

  static let configs: [String] = {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: "\(Repository.path)/configs")) ?? []
    return all.filter { $0.hasSuffix(".json") && !$0.hasSuffix(".schema.json") && !$0.hasSuffix("-sweep.json") }
      .sorted()
  }()

  @Test(arguments: configs) func everyConfigOfTheRepositoryPasses(name: String) throws {
    let sandbox = try Sandbox()
    try sandbox.writeModelOfConfig(name, "model")
    let before = try sandbox.listing()
    let outcome = try sandbox.run(
      "train", "\(Repository.path)/configs/\(name)", "--dry-run", "--set", "model=model")
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(outcome.out.contains("\nmissing: model: no weights") && outcome.out.contains("unknown"))
    #expect(outcome.out.contains("\nmissing: ") && outcome.out.contains("data/"))
    #expect(try sandbox.listing() == before)
  }

  /// A dry run ends with the sentence that the run ends with; neither leaves a trace.
  private func refused(_ sandbox: Sandbox, _ arguments: [String], _ sentence: String, status: Int32 = 65) throws {
    let before = try sandbox.listing()
    for flags in [["--dry-run"], []] {
      let outcome = try sandbox.start(["train", "config.json"] + arguments + flags).finish()
      #expect(outcome.status == status && outcome.out.isEmpty, "\(flags): \(outcome.err)")
      #expect(outcome.errorLines.contains { $0 == "swift-peft: error: \(sentence)" }, "\(flags): \(outcome.err)")
      #expect(try sandbox.listing() == before)
    }
  }

  @Test func noRoomForText() throws {
    let sandbox = try Sandbox.trainable()
    try refused(
      sandbox, ["--set", "task.max_seq_length=2"],
      "task.max_seq_length: 2 leaves no room for text beside 2 special tokens")
    let language = try Sandbox.language("gpt2-tiny", task: "causal-lm")
    let sentence =
      "task.max_seq_length: 1 leaves no room for text: a language model predicts each token from the one before"
    try refused(language, ["--set", "task.max_seq_length=1"], sentence)
    // What is missing is not needed to see that.
    for file in ["model.safetensors", "vocab.json", "merges.txt", "tokenizer.json"] {
      try? FileManager.default.removeItem(atPath: language.place("model/\(file)"))
    }
    let outcome = try language.run("train", "config.json", "--dry-run", "--set", "task.max_seq_length=1")
    #expect(outcome.status == 65 && outcome.errorLines == ["swift-peft: error: \(sentence)"], "\(outcome.err)")
  }

  @Test func noExamples() throws {
    let sandbox = try Sandbox.trainable()
    try sandbox.write("data/train.tsv", "sentence\tlabel\n")
    try refused(sandbox, [], "data/train.tsv: no rows after the header")
    let language = try Sandbox.language("gpt2-tiny", task: "instruct")
    try language.write("train.json", #"[{"instruction": "a", "output": ""}]"#)
    try refused(language, [], "train.json: no usable records: each has an empty output")
  }

  @Test func aRunThatIsThere() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("train", "config.json").status == 0)
    try refused(
      sandbox, [],
      "run: already holds a run (adapter_model.safetensors); choose another output_dir, or pass --resume to continue it "
        + "or --overwrite to replace it", status: 73)
    try refused(
      sandbox, ["--resume", "--set", "adapter.r=3"],
      "run/checkpoints/step-00000016: cannot resume: these changes would alter the result:")
    let before = try sandbox.listing()
    #expect(try sandbox.run("train", "config.json", "--overwrite", "--dry-run").status == 0)
    #expect(try sandbox.listing() == before)
    for file in try sandbox.listing() where file.hasPrefix("run/checkpoints/") && file.hasSuffix("manifest.json") {
      try sandbox.write(file, "{}")
    }
    try refused(
      sandbox, ["--resume"], "run/checkpoints: all checkpoints are damaged; --overwrite starts anew")
  }

  @Test func whatIsThereIsChecked() throws {
    let sandbox = try Sandbox.trainable()
    try FileManager.default.removeItem(atPath: sandbox.place("model/model.safetensors"))
    #expect(try sandbox.run("train", "config.json", "--dry-run").status == 0)
    try sandbox.write("data/dev.tsv", "sentence\tlabel\ngood\t2\n")
    let outcome = try sandbox.run("train", "config.json", "--dry-run")
    #expect(outcome.status == 65 && outcome.err.contains("data/dev.tsv:2: "))
    #expect(try sandbox.run("train", "config.json", "--dry-run", "--set", "model=nowhere").status == 66)
  }
}
