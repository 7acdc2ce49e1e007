import Foundation
import Kernels
import StrictJSON
import Testing

@Suite struct GenerateTests {
  static let models = ["gpt2-tiny", "llama-grouped"]

  @Test(arguments: models) func aStreamIsWhatTheWholeTextIs(model: String) throws {
    let sandbox = try Sandbox.language(model, task: "causal-lm")
    let arguments = ["generate", "model", "--prompt", "the movie is", "--max-new-tokens", "20"]
    for drawing in [[], ["--temperature", "1.5", "--seed", "5"]] {
      let streamed = try sandbox.start(arguments + drawing).finish()
      #expect(streamed.status == 0, "\(streamed.err)")
      let whole = try sandbox.start(arguments + drawing + ["--json"]).finish().json()
      #expect(whole["prompt"]?.string == "the movie is" && whole["tokens"]?.array?.count == 20)
      #expect(streamed.out == (whole["text"]?.string ?? "") + "\n")
      #expect(try sandbox.start(arguments + drawing + ["--no-cache", "--threads", "1"]).finish().out == streamed.out)
    }
  }

  /// Texts of a run are made in its precision, the same at any number of threads.
  @Test(arguments: RunPrecision.tested) func aRunsPrecision(precision: RunPrecision) throws {
    let sandbox = try Sandbox.language("llama-grouped", task: "causal-lm")
    let trained = try sandbox.run("train", "config.json", "--set", "training.precision=\(precision)")
    #expect(trained.status == 0, "\(trained.err)")
    let arguments = ["generate", "run", "--prompt", "the movie is", "--max-new-tokens", "12"]
    let one = try sandbox.start(arguments + ["--threads", "1"]).finish()
    #expect(one.status == 0 && !one.out.isEmpty && !one.err.contains("float32"), "\(one.err)")
    #expect(try sandbox.start(arguments + ["--threads", "2"]).finish().out == one.out)
    guard precision == .int8 else { return }
    try FileManager.default.removeItem(atPath: sandbox.place("run/\(Int8RunTests.factors)"))
    let refused = try sandbox.start(arguments).finish()
    #expect(refused.status == 65 && refused.err.contains("run: has no \(Int8RunTests.factors)"))
  }

  /// As `tokenize` and training do.
  @Test func notesOfTheTokenizerArePrinted() throws {
    let sandbox = try Sandbox.language("gpt2-tiny", task: "causal-lm")
    try sandbox.write("model/tokenizer_config.json", #"{"added_tokens_decoder": {"9999": {"content": "<new>"}}}"#)
    let outcome = try sandbox.run("generate", "model", "--prompt", "the", "--max-new-tokens", "1")
    #expect(outcome.status == 0 && outcome.err.contains(#"note: "#) && outcome.err.contains(#""<new>" is listed with"#))
    let quiet = try sandbox.run("generate", "model", "--prompt", "the", "--max-new-tokens", "1", "--quiet")
    #expect(quiet.err.isEmpty && quiet.out == outcome.out)
  }

  @Test func severalPromptsComeInOrder() throws {
    let sandbox = try Sandbox.language("gpt2-tiny", task: "causal-lm")
    let prompts = (0..<20).map { "the film \($0 % 7)" }
    let outcome = try sandbox.run(
      "generate", "model", "--json", "--max-new-tokens", "4", "--top-k", "20",
      input: prompts.joined(separator: "\n") + "\n")
    let lines = try outcome.out.split(separator: "\n").map { try JSONParser.parse(String($0)) }
    #expect(lines.compactMap { $0["index"]?.integer } == Array(0..<20))
    #expect(lines.compactMap { $0["prompt"]?.string } == prompts)
    let alone = try sandbox.run(
      "generate", "model", "--json", "--max-new-tokens", "4", "--top-k", "20", "--threads", "1",
      input: prompts.prefix(3).joined(separator: "\n"))
    #expect(outcome.out.hasPrefix(alone.out))
  }

  @Test(arguments: ["causal-lm", "instruct"]) func aRunAndItsAdapterSayTheSame(task: String) throws {
    let sandbox = try Sandbox.language("llama-grouped", task: task)
    let config = try sandbox.text("model/config.json")
    try sandbox.write(
      "model/config.json",
      config.replacing("\"max_position_embeddings\": 64", with: "\"max_position_embeddings\": 256"))
    let alpaca = ["--set", "task.prompt_template=null", "--set", "task.max_seq_length=null"]
    #expect(try sandbox.start(["train", "config.json"] + (task == "instruct" ? alpaca : [])).finish().status == 0)
    func said(_ arguments: [String], _ prompt: String) throws -> String {
      let outcome = try sandbox.start(["generate"] + arguments + ["--max-new-tokens", "12", "--prompt", prompt])
        .finish()
      #expect(outcome.status == 0, "\(outcome.err)")
      let leavesOut = task == "instruct" && arguments == ["model", "--adapter", "run"]
      #expect(outcome.err.contains("the run in run was trained with a prompt template") == leavesOut, "\(outcome.err)")
      return outcome.out
    }
    let prompt =
      task == "causal-lm"
      ? "say"
      : "Below is an instruction that describes a task. Write a response that appropriately completes the request."
        + "\n\n### Instruction:\nsay\n\n### Response:"
    let run = try said(["run"], "say")
    #expect(try said(["model", "--adapter", "run"], prompt) == run)
    #expect(try said(["model"], prompt) != run)
    if task == "instruct" { #expect(try said(["model", "--adapter", "run", "--template", "alpaca"], "say") == run) }
  }

  @Test func aRunWhoseCheckpointsAreAllDamagedSaysSo() throws {
    let sandbox = try Sandbox.language("gpt2-tiny", task: "causal-lm")
    #expect(try sandbox.run("train", "config.json").status == 0)
    try FileManager.default.removeItem(atPath: sandbox.place("run/adapter_config.json"))
    let whole = try sandbox.run("generate", "run", "--prompt", "the", "--max-new-tokens", "2")
    #expect(whole.status == 0 && whole.err.contains("the run is not finished"), "\(whole.err)")
    for file in try sandbox.listing() where file.hasSuffix("/optimizer.safetensors") {
      try sandbox.write(file, sandbox.read(file).dropLast())
    }
    let outcome = try sandbox.run("generate", "run", "--prompt", "the")
    #expect(outcome.status == 65 && outcome.out.isEmpty)
    #expect(
      outcome.errorLines.last
        == "swift-peft: error: run/checkpoints: all checkpoints are damaged; --overwrite starts anew", "\(outcome.err)")
  }

  @Test func refusals() throws {
    let sandbox = try Sandbox.language("gpt2-tiny", task: "causal-lm")
    func refused(_ arguments: String..., status: Int32 = 65) throws -> String {
      let outcome = try sandbox.start(["generate"] + arguments).finish()
      #expect(outcome.status == status, "\(outcome.err)")
      #expect(outcome.err.hasPrefix("swift-peft: error: ") && outcome.out.isEmpty)
      return outcome.err
    }
    let long = String(repeating: " the", count: 80)
    #expect(try refused("model", "--prompt", long).contains("the model's limit is 64"))
    #expect(try refused("model", "--prompt", "a", "--prompt", long).contains("prompt 2: "))
    #expect(try refused("none", "--prompt", "a", status: 66).contains("none/config.json"))
    _ = try refused("model", "--prompt", "a", "--num-beams", "2", "--top-k", "3", status: 64)
    #expect(
      try refused("model", "--prompt", "a", "--temperature", "-1", status: 64)
        .contains("--temperature must be at least 0, not -1.0"))
    _ = try refused("model", "--prompt", "a", "--temperature", "0", "--top-k", "3", status: 64)
    _ = try refused("model", "--prompt", "a", "--greedy", "--min-p", "0.1", status: 64)
    try sandbox.write(
      "model/config.json",
      sandbox.text("model/config.json").replacing(#""eos_token_id": 0"#, with: #""eos_token_id": null"#))
    #expect(try refused("model", "--prompt", "a").contains("eos_token_id"))
    let bert = try Sandbox.trainable()
    let outcome = try bert.run("generate", "model", "--prompt", "a")
    #expect(outcome.status == 65 && outcome.err.contains("a bert model cannot generate text"))
  }

  /// As transformers takes them: from generation_config.json, or without it from config.json.
  @Test(arguments: ["generation_config.json", "config.json"]) func theModelGivesDefaults(file: String) throws {
    let sandbox = try Sandbox.language("gpt2-tiny", task: "causal-lm")
    func said(_ arguments: String...) throws -> Outcome {
      let outcome = try sandbox.start(["generate", "model", "--prompt", "the movie is"] + arguments).finish()
      #expect(outcome.status == 0, "\(outcome.err)")
      return outcome
    }
    let penalised = try said("--repetition-penalty", "1.7", "--max-new-tokens", "12")
    let plain = try said("--max-new-tokens", "12")
    let drawn = try said("--temperature", "1.5", "--max-new-tokens", "12")
    #expect(Set([penalised.out, plain.out, drawn.out]).count == 3 && plain.err.isEmpty)
    func write(_ fields: String) throws {
      if file == "config.json" {
        let config = try sandbox.text("model/config.json")
        try sandbox.write("model/config.json", "{\(fields)," + config.drop { $0 != "{" }.dropFirst())
      } else {
        try sandbox.write("model/generation_config.json", #"{\#(fields), "eos_token_id": 0}"#)
      }
    }
    try write(#""repetition_penalty": 1.7, "max_new_tokens": 12, "top_k": -1"#)
    let own = try said()
    let notice = "note: model/\(file) gives max_new_tokens 12, repetition_penalty 1.7"
    #expect(own.out == penalised.out && own.errorLines == [notice[...]], "\(own.err)")
    #expect(try said("--repetition-penalty", "1").out == plain.out)
    #expect(try said("--quiet").err.isEmpty)
  }

  @Test func greedyStandsAboveSampling() throws {
    let sandbox = try Sandbox.language("gpt2-tiny", task: "causal-lm")
    let arguments = ["generate", "model", "--prompt", "the movie is", "--max-new-tokens", "12"]
    func said(_ more: String...) throws -> String {
      let outcome = try sandbox.start(arguments + more).finish()
      #expect(outcome.status == 0, "\(outcome.err)")
      return outcome.out
    }
    let plain = try said(), drawn = try said("--temperature", "1.5", "--top-k", "0")
    try sandbox.write(
      "model/generation_config.json", #"{"do_sample": true, "temperature": 1.5, "top_k": 0, "eos_token_id": 0}"#)
    #expect(plain != drawn)
    #expect(try [said(), said("--greedy"), said("--temperature", "0")] == [drawn, plain, plain])
  }

  @Test func whatTheFileHasIsCheckedAndNamed() throws {
    let sandbox = try Sandbox.language("gpt2-tiny", task: "causal-lm")
    func outcome(_ json: String, _ more: String...) throws -> Outcome {
      try sandbox.write("model/generation_config.json", json)
      return try sandbox.start(["generate", "model", "--prompt", "the", "--max-new-tokens", "2"] + more).finish()
    }
    let broken = try outcome("{\n\"eos_token_id\": \"end\"}")
    #expect(broken.status == 65 && broken.out.isEmpty)
    #expect(broken.err.contains("model/generation_config.json:2: eos_token_id: must be a whole number, not a string"))
    #expect(try outcome("{").err.contains("model/generation_config.json:1"))
    let undone = try outcome(#"{"eos_token_id": 0, "guidance_scale": 2}"#)
    #expect(undone.status == 0 && undone.err.contains("transformers may write other texts: guidance_scale"))
    let endless = try outcome(#"{"pad_token_id": -1}"#)
    #expect(endless.status == 0 && endless.err.contains("has no eos_token_id"), "\(endless.err)")
    let beams = try outcome(#"{"eos_token_id": [0, 5], "do_sample": true, "num_beams": 2}"#)
    #expect(beams.status == 65 && beams.err.contains("beam search does not sample"))
    let searched = try outcome(#"{"eos_token_id": [0, 5], "do_sample": true, "num_beams": 2}"#, "--greedy")
    #expect(searched.status == 0 && searched.err.contains("gives num_beams 2, eos_token_id [0, 5]"), "\(searched.err)")
    try sandbox.write("model/generation_config.json", #"{"eos_token_id": 0, "max_length": 2}"#)
    let full = try sandbox.run("generate", "model", "--prompt", "the movie is good")
    #expect(full.status == 65 && full.err.contains("max_length is 2 in model/generation_config.json"))
  }

  /// A stop string ends the text and is not in it, be it streamed or not, from a flag or from the model.
  @Test(arguments: models) func stopStringsEndTheText(model: String) throws {
    let sandbox = try Sandbox.language(model, task: "causal-lm")
    let arguments = [
      "generate", "model", "--prompt", "the movie is", "--max-new-tokens", "20", "--repetition-penalty", "1.3",
    ]
    func json(_ more: String...) throws -> JSONNode {
      let outcome = try sandbox.start(arguments + more + ["--json"]).finish()
      #expect(outcome.status == 0, "\(outcome.err)")
      return try outcome.json()
    }
    let plain = try #require(json()["text"]?.string)
    let characters = plain.unicodeScalars.dropFirst(4).filter { $0.isASCII && $0.value > 32 }
    let stop = String(try #require(characters.dropFirst(1).first))
    let stopped = try json("--stop", "never comes", "--stop", stop)
    let before = String(plain.prefix { String($0) != stop })
    #expect(stopped["text"]?.string == before && stopped["end"]?.string == "stop_string", "\(plain) \(stop)")
    #expect(try sandbox.start(arguments + ["--stop", stop]).finish().out == before + "\n")
    try sandbox.write(
      "model/generation_config.json",
      JSONWriter.text(["stop_strings": .string(stop), "eos_token_id": .integer(0)], pretty: false))
    let own = try sandbox.start(arguments).finish()
    #expect(own.out == before + "\n" && own.err.contains("gives stop_strings ["), "\(own.err)")
    #expect(try json("--stop", "")["text"]?.string == plain)
    let searched = try json("--num-beams", "2", "--stop", "e", "--stop", "a", "--stop", "t")
    #expect(searched["end"]?.string != "stop_string" || searched["text"]?.string?.contains(/[eat]/) == false)
    #expect(try sandbox.start(arguments + ["--stop", "", "--stop", "a"]).finish().status == 64)
  }

  @Test func promptsComeFromFilesToo() throws {
    let sandbox = try Sandbox.language("gpt2-tiny", task: "causal-lm")
    func prompts(_ arguments: [String], input: String = "") throws -> [String?] {
      let outcome = try sandbox.start(
        ["generate", "model", "--json", "--max-new-tokens", "1"] + arguments, input: input
      )
      .finish()
      #expect(outcome.status == 0, "\(outcome.err)")
      return try outcome.out.split(separator: "\n").map { try JSONParser.parse(String($0))["prompt"]?.string }
    }
    try sandbox.write("p.txt", "one\r\ntwo")
    try sandbox.write("p.csv", "q,text\nx,\"one\ntwo\"\n")
    try sandbox.write("p.jsonl", #"{"text": "one"}"# + "\n" + #"{"text": "two", "q": "y"}"#)
    #expect(try prompts(["--file", "p.txt"]) == ["one", "two"])
    #expect(try prompts(["--file", "p.csv"]) == ["one\ntwo"])
    #expect(try prompts(["--file", "p.csv", "--column", "q"]) == ["x"])
    #expect(try prompts(["--file", "p.jsonl"]) == ["one", "two"])
    #expect(try prompts(["--format", "jsonl"], input: sandbox.text("p.jsonl")) == ["one", "two"])
    #expect(try prompts(["--file", "-", "--format", "csv"], input: "text\na\nb") == ["a", "b"])
    #expect(try prompts([], input: "\u{FEFF}one\n\ntwo") == ["one", "", "two"])
    let missing = try sandbox.run("generate", "model", "--file", "p.jsonl", "--column", "q")
    #expect(missing.status == 65 && missing.err.contains("p.jsonl:1: no text under \"q\", only \"text\""))
    #expect(try sandbox.run("generate", "model", "--file", "none.txt").status == 66)
    #expect(try sandbox.run("generate", "model", "--prompt", "a", "--file", "p.txt").status == 64)
  }
}
