import Foundation
import RunStore
import Testing

@Suite struct FailureTests {
  /// Trains with `arguments` after `config.json`; nothing may have been written.
  private func refuse(_ sandbox: Sandbox, _ arguments: String..., status: Int32, _ words: String...) throws {
    let before = try sandbox.listing()
    let command = try sandbox.start(["train", "config.json"] + arguments)
    let outcome = try command.finish()
    #expect(outcome.status == status, "\(outcome.err)")
    #expect(outcome.out.isEmpty)
    let errors = outcome.errorLines.filter { !$0.hasPrefix("note: ") && !$0.hasPrefix("warning: ") }
    #expect(errors.first?.hasPrefix("swift-peft: error: ") == true, "\(outcome.err)")
    for word in words { #expect(outcome.err.contains(word), "\(word) in \(outcome.err)") }
    #expect(try sandbox.listing() == before)
  }

  @Test(arguments: [
    ["train", "config.json", "--resume", "--overwrite"], ["train", "config.json", "--no-such-flag"], ["train"], ["fly"],
    ["train", "config.json", "--threads", "0"], ["train", "config.json", "--threads", "many"],
    ["train", "config.json", "--set", "training.seed"], ["train", "config.json", "--set", "training.sed=1"],
    ["generate", "run"], ["doctor", "extra"],
  ]) func usage(arguments: [String]) throws {
    let sandbox = try Sandbox.trainable()
    let outcome = try sandbox.start(arguments).finish()
    #expect(!sandbox.exists("run"))
    #expect(outcome.status == 64 && outcome.out.isEmpty)
    #expect(outcome.err.hasPrefix("swift-peft: error: "), "\(outcome.err)")
  }

  @Test func missingInputs() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("train", "nowhere.json").status == 66)
    try refuse(sandbox, "--set", "model=nowhere", status: 66, "nowhere/config.json")
    try refuse(sandbox, "--set", "task.data_dir=nowhere", status: 66, "nowhere/train.tsv")
    try refuse(sandbox, "--set", "task.validation_file=nowhere.tsv", status: 66, "nowhere.tsv")
    try FileManager.default.removeItem(atPath: sandbox.place("data/dev.tsv"))
    try refuse(sandbox, status: 66, "data/dev.tsv")
  }

  @Test func everyMistakeOfAConfigAtOnce() throws {
    let sandbox = try Sandbox.trainable()
    try sandbox.write(
      "config.json",
      """
      { "model": "model", "task": { "name": "sst3" },
        "adapter": { "r": 0, "stratgy": "lora" },
        "training": { "learning_rate": -1 } }
      """)
    try refuse(
      sandbox, status: 65, "config.json:1: task.name", "config.json:2: adapter.r", "did you mean",
      "config.json:3: training.learning_rate")
    let lines = try sandbox.run("train", "config.json").errorLines
    #expect(lines.count >= 4 && lines.allSatisfy { $0.hasPrefix("swift-peft: error: config.json:") })
  }

  @Test func valuesThatDoNotFitTheModel() throws {
    let sandbox = try Sandbox.trainable()
    try refuse(sandbox, "--set", "adapter.r=33", status: 65, "adapter.r")
    try refuse(sandbox, "--set", "adapter.target_modules=[\"qery\"]", status: 65, "qery", "query")
    try refuse(
      sandbox, "--set", "adapter.strategy=aslora", "--set", "adapter.aslora.num_merges=3", status: 65, "num_merges")
    try refuse(sandbox, "--set", "task.max_seq_length=65", status: 65, "max_seq_length")
    try refuse(sandbox, "--set", "training.precision=float16", status: 65, "float32", "bfloat16")
  }

  @Test func outputsThatCannotBe() throws {
    let sandbox = try Sandbox.trainable()
    try sandbox.write("file", "text")
    try refuse(sandbox, "--output-dir", "file/run", status: 73, "file/run")
    try refuse(sandbox, "--output-dir", "file", status: 73)
    try refuse(sandbox, "--database", "file/runs.sqlite", status: 73)
    #expect(try sandbox.text("file") == "text")
  }

  @Test func foreignDatabasesStayUntouched() throws {
    let sandbox = try Sandbox.trainable()
    try sandbox.write("runs.sqlite", "this is no database, but a text that is long enough to be one, or so it seems")
    try refuse(sandbox, status: 65, "runs.sqlite")
    try FileManager.default.removeItem(atPath: sandbox.place("runs.sqlite"))

    _ = try RunStore(path: sandbox.place("runs.sqlite"))
    for rest in ["runs.sqlite-wal", "runs.sqlite-shm"] {
      try? FileManager.default.removeItem(atPath: sandbox.place(rest))
    }
    var bytes = try sandbox.read("runs.sqlite")
    bytes.replaceSubrange(68..<72, with: [1, 2, 3, 4])
    try sandbox.write("runs.sqlite", bytes)
    #expect(try sandbox.run("train", "config.json").status == 65)
    #expect(try sandbox.read("runs.sqlite") == bytes)
    #expect(!sandbox.exists("run"))
  }

  @Test func malformedData() throws {
    let sandbox = try Sandbox.trainable()
    try sandbox.write("data/train.tsv", "sentence\tlabel\ngood\t1\nbad\nvery bad\tnan\n")
    try refuse(sandbox, status: 65, "data/train.tsv:3: ")
    try sandbox.write("data/train.tsv", "sentence\tlabel\ngood\t1\nbad\t0\nvery bad\tnan\nfilm\t7\n")
    try refuse(sandbox, status: 65, "data/train.tsv:4: ", "data/train.tsv:5: ")
  }

  @Test func malformedModels() throws {
    let sandbox = try Sandbox.trainable()
    let weights = try sandbox.read("model/model.safetensors")
    try sandbox.write("model/model.safetensors", weights.dropLast(10))
    try refuse(sandbox, status: 65, "model/model.safetensors")
    try sandbox.write("model/model.safetensors", weights.dropLast(4) + Data([0, 0, 0xC0, 0x7F]))
    try refuse(sandbox, status: 65, "model/model.safetensors", "NaN")
    try sandbox.write("model/model.safetensors", weights)

    let tokenizer = try sandbox.read("model/tokenizer.json")
    try sandbox.write("model/tokenizer.json", "{\n  \"model\": [\n}")
    try refuse(sandbox, status: 65, "model/tokenizer.json:3")
    try sandbox.write("model/tokenizer.json", tokenizer)

    try sandbox.edit("model/config.json", "\"bert\"", "\"t5\"")
    try refuse(sandbox, status: 65, "model/config.json", "bert", "roberta", "gpt2", "llama")
  }

  @Test func fullDisks() throws {
    let outcome = try Sandbox.trainable().shell("\"$TOOL\" compare-params model > /dev/full")
    #expect(outcome.status == 74 && outcome.err.contains("stdout"))
  }
}
