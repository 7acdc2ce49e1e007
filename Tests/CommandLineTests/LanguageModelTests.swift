import Foundation
import RunStore
import StrictJSON
import Testing

/// GPT-2 and LLaMA from config to scores.
@Suite struct LanguageModelTests {
  static let targets = ["gpt2-tiny": #"["c_attn.q", "c_attn.v"]"#, "llama-grouped": #"["q_proj", "v_proj"]"#]
  static let models = targets.keys.sorted()

  @Test(arguments: models, ["causal-lm", "instruct"]) func trainsAndScores(model: String, task: String) throws {
    let sandbox = try Sandbox.language(model, task: task)
    let outcome = try sandbox.run("train", "config.json", "--json")
    #expect(outcome.status == 0, "\(outcome.err)")
    let result = try outcome.json()
    #expect(result["trainable_parameters"]?.integer == result["adapter_parameters"]?.integer)
    let scores = try #require(result["results"]?.array?.first)
    let loss = try #require(scores["loss"]?.number), perplexity = try #require(scores["perplexity"]?.number)
    #expect(abs(perplexity - exp(loss)) < 1e-9 * perplexity)

    let store = try RunStore.openExisting(path: sandbox.place("runs.sqlite"))
    let metrics = try store.metrics(run: Int64(result["run_id"]?.integer ?? 0))
    let losses = metrics.filter { $0.split == .train && $0.name == "loss" }.map(\.value)
    #expect(try #require(losses.last) < (try #require(losses.first)) - 0.1, "\(losses)")
    #expect(metrics.contains { $0.split == .validation && $0.name == "perplexity" && $0.value == perplexity })

    let again = try sandbox.run("eval", "run", "--json")
    #expect(again.status == 0, "\(again.err)")
    #expect(try again.json()["results"]?.array?.first?["loss"]?.number == loss)
    let base = try sandbox.run("eval", "config.json", "--json", "--output-dir", "base")
    #expect(try #require(base.json()["results"]?.array?.first?["loss"]?.number) > loss)
  }

  @Test(arguments: models) func theSameBytesAtAnyNumberOfThreads(model: String) throws {
    let sandbox = try Sandbox.language(model, task: "causal-lm")
    for threads in ["1", "2", "3"] {
      let outcome = try sandbox.run(
        "train", "config.json", "--output-dir", threads, "--threads", threads, "--set", "adapter.lora_dropout=0.1")
      #expect(outcome.status == 0, "\(outcome.err)")
      #expect(!outcome.out.contains("including the head"), "\(outcome.out)")
      #expect(
        try sandbox.read("1/adapter_model.safetensors") == sandbox.read("\(threads)/adapter_model.safetensors"))
    }
  }

  @Test(arguments: models) func classifiesToo(model: String) throws {
    let sandbox = try Sandbox.trainable("decoders/" + model)
    let targets = "adapter.target_modules=" + (Self.targets[model] ?? "")
    let outcome = try sandbox.run("train", "config.json", "--json", "--set", targets)
    #expect(outcome.status == 0, "\(outcome.err)")
    let accuracy = try outcome.json()["results"]?.array?.first?["accuracy"]?.number
    let again = try sandbox.run("eval", "run", "--json")
    #expect(try again.json()["results"]?.array?.first?["accuracy"]?.number == accuracy)
    // GPT-2's tokenizer makes no token of an empty text.
    let labels = try sandbox.run("predict", "run", input: "a good film\n\nthe movie is bad\n")
    #expect(labels.status == 0 && labels.out.split(separator: "\n").count == 4, "\(labels.err)")
  }

  @Test func emptyAnswersAreLeftOutAloud() throws {
    let sandbox = try Sandbox.language("gpt2-tiny", task: "instruct")
    try sandbox.write(
      "train.json", #"[{"instruction": "a", "output": ""},"# + "\n" + #"{"instruction": "b", "output": "c"}]"#)
    let outcome = try sandbox.run("train", "config.json")
    #expect(outcome.status == 0)
    #expect(
      outcome.err.contains("train.json: 1 instructions, put into the text of prompt_template; loss on every answer"))
    #expect(outcome.err.contains(#"train.json: left out 1 record with an empty output (line 1)"#), "\(outcome.err)")
  }

  @Test func badInputIsNamed() throws {
    let sandbox = try Sandbox.language("gpt2-tiny", task: "instruct")
    func refused(_ arguments: String..., status: Int32 = 65) throws -> String {
      let outcome = try sandbox.start(["train", "config.json"] + arguments).finish()
      #expect(outcome.status == status, "\(outcome.err)")
      return outcome.err
    }
    #expect(try refused("--set", "task.max_seq_length=65").contains("65 tokens are more than the 64"))
    // Alpaca's text alone is longer.
    #expect(
      try refused("--set", "task.prompt_template=alpaca", "--set", "task.max_seq_length=64").contains(
        "train.json: no usable records: each has more than 64 tokens (task.max_seq_length)"))
    try sandbox.write("bad.jsonl", "{\"instruction\": \"a\", \"output\": \"b\"}\n{\"instruction\": \"a\"}\n")
    #expect(
      try refused("--set", "task.train_file=bad.jsonl").contains("bad.jsonl:2: output is missing"))
    try sandbox.write("bad.jsonl", "{\"instruction\": \"a\", \"output\": \"b\"}\n{\"instruction\" \"a\"}\n")
    #expect(try refused("--set", "task.train_file=bad.jsonl").contains("bad.jsonl:2:"))
    #expect(try refused("--set", "task.train_file=none.json", status: 66).contains("none.json"))
    #expect(
      try refused("--set", "task.prompt_template=model").contains(
        "task.prompt_template: \"model\" needs a chat template among the model's files"))
    #expect(
      try refused("--set", "task.prompt_template=chatml").contains(
        "the template chatml ends the assistant's turns with \"<|im_end|>\", which is no token"))
    #expect(try refused("--set", "task.prompt_template={instructoin}").contains("did you mean {instruction}"))
    #expect(try refused("--set", "adapter.target_modules=[\"query\"]").contains("query"))
    try sandbox.write(
      "model/config.json",
      sandbox.text("model/config.json").replacing("\"eos_token_id\": 0", with: "\"eos_token_id\": null"))
    #expect(try refused().contains("eos_token_id"))
  }

  /// Meanings and references; a run then puts meanings into words, in the format that it learnt.
  @Test func putsMeaningsIntoWords() throws {
    let sandbox = try Sandbox.language("gpt2-tiny", task: "e2e")
    for (name, words) in [("trainset", ["good", "bad", "great"]), ("devset", ["very good"])] {
      let rows = words.map { "\"name[A], area[\($0)]\",\"the \($0) film, \"\"A\"\"\"\n" }
      try sandbox.write("data/\(name).csv", "mr,ref\n" + rows.joined())
    }
    let outcome = try sandbox.run(
      "train", "config.json", "--json", "--set", "task.train_file=null", "--set", "task.validation_file=null", "--set",
      "task.data_dir=data", "--set", "training.label_smoothing_factor=0.1")
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(try outcome.json()["results"]?.array?.first?["examples"]?.integer == 1)
    let words = try sandbox.run("generate", "run", "--num-beams", "3", input: "name[A], area[good]\n")
    #expect(words.status == 0 && words.out.hasSuffix("\n"), "\(words.err)")
  }

  @Test func encodersAreNoLanguageModels() throws {
    let sandbox = try Sandbox.language("gpt2-tiny", task: "causal-lm")
    let bert = try Sandbox.trainable()
    try sandbox.write("model/config.json", bert.text("model/config.json"))
    let outcome = try sandbox.run("train", "config.json")
    #expect(outcome.status == 65 && outcome.err.contains("a bert model cannot generate text"), "\(outcome.err)")
  }

  @Test func aDryRunNeedsNoWeights() throws {
    let sandbox = try Sandbox.language("llama-grouped", task: "instruct")
    for file in ["model/model.safetensors", "model/tokenizer.json", "train.json"] {
      try FileManager.default.removeItem(atPath: sandbox.place(file))
    }
    let outcome = try sandbox.run("train", "config.json", "--dry-run", "--json")
    #expect(outcome.status == 0, "\(outcome.err)")
    let plan = try outcome.json()
    #expect(plan["trainable_parameters"]?.integer == plan["adapter_parameters"]?.integer)
    #expect(plan["missing"]?.array?.count == 3)
  }
}

extension Sandbox {
  /// A sandbox with a tiny decoder and a config that trains it for 20 steps.
  static func language(_ model: String, task: String) throws -> Sandbox {
    let sandbox = try Sandbox()
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
      let source = URL(fileURLWithPath: golden("decoders/\(model)/\(file)"))
      try sandbox.write("model/\(file)", Data(contentsOf: source))
    }
    func sentences(_ range: Range<Int>) -> [String] {
      let words = ["the", "movie", "is", "good", "and", "film", "bad", "very", "great", "story", "not", "time"]
      return range.map { row in
        (0..<(3 + row % 5)).map { words[(row * 31 + $0 * ($0 + row)) % words.count] }.joined(separator: " ")
      }
    }
    let isInstruct = task == "instruct", ending = isInstruct ? "json" : "jsonl"
    for (name, range) in [("train", 0..<60), ("validation", 60..<80)] {
      let texts = sentences(range)
      let records = texts.map { text in
        isInstruct ? #"{"instruction": "say", "input": "", "output": "\#(text)"}"# : #"{"text": "\#(text)"}"#
      }
      try sandbox.write(
        "\(name).\(ending)",
        isInstruct ? "[" + records.joined(separator: ",\n") + "]" : records.joined(separator: "\n") + "\n")
    }
    try sandbox.write(
      "config.json",
      """
      {
        "name": "tiny", "model": "model",
        "task": { "name": "\(task)", "train_file": "train.\(ending)", "validation_file": "validation.\(ending)",
                  \(isInstruct ? #""prompt_template": "{instruction} {input}:","# : "") "max_seq_length": 32 },
        "adapter": { "strategy": "share-a", "r": 2, "target_modules": \(LanguageModelTests.targets[model] ?? "[]") },
        "training": { "max_steps": 20, "train_batch_size": 4, "learning_rate": 3e-2, "logging_steps": 5 },
        "output_dir": "run", "database": "runs.sqlite",
      }
      """)
    return sandbox
  }
}
