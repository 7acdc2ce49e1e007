import Foundation
import StrictJSON
import Testing

/// Conversations from config to answers: what the data decides is written down and holds later.
@Suite struct ConversationRunTests {
  private func sandbox() throws -> Sandbox {
    let sandbox = try Sandbox.language("llama-grouped", task: "instruct")
    try sandbox.write(
      "model/chat_template.jinja",
      """
      {{ '<s>' }}{% for m in messages %}{{ m.role[0] + ':' + m.content }}{% if m.role == 'assistant' %}{{ eos_token }}\
      {% endif %}{% endfor %}{% if add_generation_prompt %}a:{% endif %}
      """)
    try sandbox.write("model/tokenizer_config.json", #"{"bos_token": "<s>", "eos_token": "<|endoftext|>"}"#)
    func lines(_ range: Range<Int>) -> String {
      range.map { number in
        let turns = ["user", "assistant", "user", "assistant"].enumerated().map { turn, role in
          #"{"role": "\#(role)", "content": "\#(role == "user" ? "say \(number % 5)" : "film \(number % 3) \(turn)")"}"#
        }
        return #"{"messages": [\#(turns.joined(separator: ", "))]}"# + "\n"
      }.joined()
    }
    try sandbox.write("train.jsonl", lines(0..<40))
    try sandbox.write("validation.jsonl", lines(40..<48))
    try sandbox.write(
      "config.json",
      """
      {
        "name": "chat", "model": "model",
        "task": { "name": "instruct", "train_file": "train.jsonl", "validation_file": "validation.jsonl" },
        "adapter": { "strategy": "share-a", "r": 2, "target_modules": ["q_proj", "v_proj"] },
        "training": { "max_steps": 12, "train_batch_size": 4, "learning_rate": 3e-2, "save_steps": 6, "logging_steps": 4 },
        "output_dir": "run", "database": "runs.sqlite",
      }
      """)
    return sandbox
  }

  @Test func theDataDecides() throws {
    let sandbox = try sandbox()
    let outcome = try sandbox.run("train", "config.json")
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(
      outcome.err.contains(
        "train.jsonl: 40 conversations (messages), put into the template model/chat_template.jinja; loss on every answer"
      ),
      "\(outcome.err)")
    let task = try JSONParser.parse(Array(sandbox.text("run/run_config.json").utf8), file: "run_config.json")["task"]
    #expect(task?["chat_template"]?.string == "model" && task?["max_seq_length"]?.integer == 64)

    // Later the run needs no training file to know its template.
    try FileManager.default.removeItem(atPath: sandbox.place("train.jsonl"))
    let said = try sandbox.run("generate", "run", "--prompt", "say 1", "--json", "--max-new-tokens", "8")
    #expect(said.status == 0, "\(said.err)")
    let asked = try sandbox.run(
      "generate", "model", "--adapter", "run", "--prompt", "<s>u:say 1a:", "--json", "--max-new-tokens", "8")
    #expect(try said.json()["tokens"] == asked.json()["tokens"], "\(said.out) \(asked.out)")
    let scores = try sandbox.run("eval", "run", "--json")
    #expect(scores.status == 0, "\(scores.err)")
  }

  /// A template of one's own stays with the run, wherever its file is then.
  @Test func aRunKeepsTheTemplateOfAFile() throws {
    let sandbox = try sandbox()
    try sandbox.write("own.jinja", sandbox.text("model/chat_template.jinja").replacing("m.role[0]", with: "m.role[1]"))
    let trained = try sandbox.run("train", "config.json", "--set", "task.chat_template=own.jinja")
    #expect(trained.status == 0, "\(trained.err)")
    try FileManager.default.removeItem(atPath: sandbox.place("own.jinja"))
    let said = try sandbox.run("generate", "run", "--prompt", "say 1", "--json", "--max-new-tokens", "8")
    #expect(said.status == 0, "\(said.err)")
    let asked = try sandbox.run(
      "generate", "model", "--adapter", "run", "--prompt", "<s>s:say 1a:", "--json", "--max-new-tokens", "8")
    #expect(try said.json()["tokens"] == asked.json()["tokens"], "\(said.out) \(asked.out)")
  }

  @Test func templatesThatSayNothingAreRefused() throws {
    let sandbox = try sandbox()
    try sandbox.write("empty.jinja", "{% if false %}a{% endif %}")
    for verb in ["chat", "generate"] {
      let arguments = verb == "chat" ? [] : ["--prompt", "a", "--system", "b"]
      let outcome = try sandbox.start([verb, "model", "--template", "empty.jinja"] + arguments, input: "hi\n").finish()
      #expect(
        outcome.status == 65 && outcome.err.contains("the chat template makes no text of the conversation"),
        "\(verb): \(outcome.status) \(outcome.err)")
    }
    let unknown = try sandbox.run("generate", "model", "--template", "chatlm", "--prompt", "a")
    #expect(
      unknown.status == 65 && unknown.err.contains("--template: \"chatlm\" has no {instruction}"), "\(unknown.err)")
  }

  @Test func aStoppedRunGoesOn() throws {
    let sandbox = try sandbox()
    func train(_ arguments: String...) throws -> Outcome {
      let outcome = try sandbox.start(["train", "config.json"] + arguments).finish()
      #expect(outcome.status == 0, "\(outcome.err)")
      return outcome
    }
    _ = try train("--output-dir", "whole")
    _ = try train("--set", "training.max_steps=6")
    _ = try train("--resume")
    let adapter = "adapter_model.safetensors"
    #expect(try sandbox.read("run/\(adapter)").count == sandbox.read("whole/\(adapter)").count)
    // The same config once more, as it was resolved.
    let repeated = try sandbox.start(
      ["train", "whole/run_config.json", "--output-dir", "again", "--database", "again.sqlite"]
    ).finish()
    #expect(repeated.status == 0, "\(repeated.err)")
    #expect(try sandbox.read("again/\(adapter)") == sandbox.read("whole/\(adapter)"))
  }

  @Test func rowsOfSeveralConversations() throws {
    let sandbox = try sandbox()
    let plain = try sandbox.run("train", "config.json", "--dry-run", "--json")
    let packed = try sandbox.run("train", "config.json", "--dry-run", "--json", "--set", "task.packing=true")
    #expect(packed.status == 0 && packed.err.contains("packed 40 conversations into "), "\(packed.err)")
    let steps = try packed.json()["steps"]?.integer
    #expect(try steps == plain.json()["steps"]?.integer, "\(plain.out)")
    let trained = try sandbox.run("train", "config.json", "--set", "task.packing=true")
    #expect(trained.status == 0, "\(trained.err)")
  }

  @Test func aSweepKnowsItsFinishedRuns() throws {
    let sandbox = try sandbox()
    let config = try sandbox.text("config.json").replacing(
      "\"output_dir\"", with: "\"sweep\": {\"training.seed\": [1, 2]}, \"output_dir\"")
    try sandbox.write("config.json", config)
    for _ in 0..<2 {
      let outcome = try sandbox.run("sweep", "config.json")
      #expect(outcome.status == 0, "\(outcome.err)")
    }
  }

  @Test(arguments: [
    (#"{"messages": [{"role": "robot", "content": "a"}]}"#, "bad.jsonl:1: messages[0].role must be one of"),
    (#"{"question": "a"}"#, "bad.jsonl:1: no conversation: a record has messages"),
    (
      #"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": [{"type": "image"}]}]}"#,
      "bad.jsonl:1: model/chat_template.jinja:1: "
    ),
  ])
  func badRecords(record: String, problem: String) throws {
    let sandbox = try sandbox()
    try sandbox.write("bad.jsonl", record + "\n")
    let outcome = try sandbox.run("train", "config.json", "--set", "task.train_file=bad.jsonl")
    #expect(outcome.status == 65 && outcome.err.contains(problem), "\(outcome.err)")
  }
}
