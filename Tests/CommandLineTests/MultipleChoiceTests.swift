import Foundation
import RunStore
import StrictJSON
import Testing

/// Questions with choices from config to answers.
@Suite struct MultipleChoiceTests {
  @Test func trainsScoresAndPredicts() throws {
    let sandbox = try Sandbox.choices()
    let outcome = try sandbox.run("train", "config.json", "--json")
    #expect(outcome.status == 0, "\(outcome.err)")
    let scores = try #require(outcome.json()["results"]?.array?.first)
    #expect(scores["examples"]?.integer == 6 && scores["accuracy"]?.number != nil)
    let store = try RunStore.openExisting(path: sandbox.place("runs.sqlite"))
    let metrics = try store.metrics(run: Int64(outcome.json()["run_id"]?.integer ?? 0))
    let losses = metrics.filter { $0.split == .train && $0.name == "loss" }.map(\.value)
    #expect(try #require(losses.last) < (try #require(losses.first)) - 0.5, "\(losses)")
    for name in ["accuracy", "accuracy_norm", "loss"] {
      #expect(metrics.contains { $0.split == .validation && $0.name == name && $0.value == scores[name]?.number })
    }

    let again = try sandbox.run("eval", "run", "--json")
    #expect(again.status == 0, "\(again.err)")
    for name in ["accuracy", "loss"] {
      #expect(try again.json()["results"]?.array?.first?[name]?.number == scores[name]?.number)
    }
    let test = try sandbox.run("eval", "run", "--split", "test", "--predictions", "p.tsv")
    #expect(test.status == 0, "\(test.err)")
    let rows = try sandbox.text("p.tsv").split(separator: "\n").map { $0.split(separator: "\t") }
    #expect(rows[0] == ["index", "prediction", "label", "score_0", "score_1", "score_2", "score_3"])
    #expect(rows.count == 5 && rows.dropFirst().map { $0[2] } == ["A", "B", "C", "D"])
    for row in rows.dropFirst() {
      let numbers = row.dropFirst(3).compactMap { Double($0) }
      #expect(numbers.count == 4 && numbers.allSatisfy { $0 < 0 })
      #expect(row[1] == ["A", "B", "C", "D"][numbers.indices.max { numbers[$0] < numbers[$1] } ?? 0])
    }

    // The subject's solved questions are found again by the file's place.
    let art = try sandbox.run("predict", "run", "data/test/art_test.csv", "--quiet")
    #expect(art.status == 0 && art.err.isEmpty, "\(art.err)")
    #expect(art.out.split(separator: "\n").map(String.init) == rows.prefix(3).map { $0.joined(separator: "\t") })
    let questions = #"{"question": "Is it good?", "choices": ["yes", "no"]}"# + "\n"
    let json = try sandbox.run("predict", "run", "--json", input: questions)
    #expect(json.status == 0, "\(json.err)")
    let line = try json.json()
    #expect(line["scores"]?.array?.count == 2 && line["label"]?.isNull == true)
    #expect(["A", "B"].contains(line["prediction"]?.string))
    let mixed = try sandbox.run(
      "predict", "run", input: questions + #"{"question": "q", "choices": ["a", "b", "c"], "answer": "C"}"#)
    let cells = mixed.out.split(separator: "\n").map { $0.split(separator: "\t", omittingEmptySubsequences: false) }
    #expect(cells.map(\.count) == [6, 6, 6] && cells[1][5].isEmpty && cells[2][2] == "C")
  }

  @Test func theBaseModelAndItsStyles() throws {
    let sandbox = try Sandbox.choices()
    let records = (0..<8).map { number in
      #"{"question": "the film is", "choices": ["good \#(number)", "a very bad story", "not"], "answer": \#(number % 3)}"#
    }
    try sandbox.write("quiz.jsonl", records.joined(separator: "\n"))
    func scored(_ set: String...) throws -> JSONNode {
      let sets = (["task.validation_file=quiz.jsonl"] + set).flatMap { ["--set", $0] }
      let outcome = try sandbox.start(["eval", "config.json", "--json", "--output-dir", "base"] + sets).finish()
      #expect(outcome.status == 0, "\(outcome.err)")
      return try #require(outcome.json()["results"]?.array?.first)
    }
    let text = try scored(), letter = try scored("task.choice_style=letter")
    let bare = try scored("task.choice_style=continuation")
    #expect(text["loss"]?.number != letter["loss"]?.number && text["loss"]?.number != bare["loss"]?.number)
    #expect(letter["accuracy"]?.number == letter["accuracy_norm"]?.number)
    #expect(try scored("task.choice_style=text")["loss"]?.number == text["loss"]?.number)
    let shots = try scored("task.num_fewshot=2", "task.fewshot_file=quiz.jsonl")
    #expect(shots["loss"]?.number != text["loss"]?.number)
    #expect(try scored("task.max_eval_samples=3")["examples"]?.integer == 3)
    #expect(try scored("training.eval_batch_size=1")["accuracy"]?.number == text["accuracy"]?.number)
  }

  @Test func badInputIsNamed() throws {
    let sandbox = try Sandbox.choices()
    func refused(_ arguments: String..., status: Int32 = 65) throws -> String {
      let outcome = try sandbox.start(arguments).finish()
      #expect(outcome.status == status && outcome.out.isEmpty, "\(outcome.err)")
      return outcome.err
    }
    let bad = [
      ("b.csv", "q,a,b,c,d\n", "b.csv:1: 5 fields, not 6 (question, choices A to D, letter of the answer)"),
      ("b.csv", "q,a,b,c,d,A\nq,a,b,c,d,E\n", "b.csv:2: answer must be a letter A to D, or a number 0 to 3"),
      ("b.csv", "q,a,b,c,d,A\nq,a,,c,d,A\n", "b.csv:2: choice B is empty"),
      ("b.csv", "q,a,b,c,\"d,A\n", "b.csv:1: a quoted field does not end"),
      ("b.jsonl", #"{"question": "q", "choices": ["a"], "answer": 0}"#, "a question needs 2 to 26 choices, found 1"),
      (
        "b.jsonl", #"{"question": "q", "choices": ["a", "b"], "answer": 2}"#,
        "b.jsonl:1: answer must be a letter A to B"
      ),
      (
        "b.jsonl", #"{"question": "q", "choices": ["a", "b"], "answer": -1}"#,
        "b.jsonl:1: answer must be a letter A to B"
      ),
      ("b.jsonl", #"{"question": "q", "choices": ["a", " "], "answer": 0}"#, "b.jsonl:1: choice B is empty"),
      ("b.jsonl", #"{"question": "q", "choices": ["a", "b"]}"#, "b.jsonl:1: answer is missing"),
      ("b.jsonl", #"{"choices": ["a", "b"], "answer": 0}"#, "b.jsonl:1: question is missing"),
      ("b.json", #"{"question": "q"}"#, "b.json:1: must be a list of objects"),
      ("b.csv", "", "b.csv: the file is empty"),
    ]
    for (name, text, problem) in bad {
      try sandbox.write(name, text)
      for arguments in [["eval", "config.json"], ["train", "config.json", "--dry-run"]] {
        let outcome = try sandbox.start(arguments + ["--set", "task.validation_file=\(name)"]).finish()
        #expect(outcome.status == 65 && outcome.err.contains(problem), "\(outcome.err)")
      }
    }
    let long = String(repeating: "the film ", count: 200)
    try sandbox.write("b.csv", "\(long),a,b,c,d,A\n")
    #expect(
      try refused("eval", "config.json", "--set", "task.validation_file=b.csv").contains(
        "b.csv: no usable records: each has more than 256 tokens (task.max_seq_length)"))
    #expect(
      try refused("train", "config.json", "--set", "task.max_seq_length=1024").contains(
        "1024 tokens are more than the 512"))
    #expect(
      try refused("eval", "config.json", "--set", "task.num_fewshot=4").contains(
        "art_dev.csv: 2 questions, fewer than the 4 for a prompt"))
    try sandbox.write("b.csv", "q,a,b,c,d,A\n")
    #expect(
      try refused("eval", "config.json", "--set", "task.validation_file=b.csv", "--set", "task.num_fewshot=1").contains(
        "b.csv: no solved questions for the prompt"))
    #expect(
      try refused("eval", "config.json", "--set", "task.fewshot_file=none.csv", status: 66).contains("none.csv"))
    #expect(
      try refused("eval", "config.json", "--set", "task.choice_style=words").contains("letter, text, continuation"))
    #expect(
      try refused("eval", "config.json", "--set", "task.name=instruct", "--set", "task.num_fewshot=1").contains(
        "task.num_fewshot: only applies to task multiple-choice"))
  }

  /// One too long for a prediction is an error, in an evaluation a question less.
  @Test func longQuestions() throws {
    let sandbox = try Sandbox.choices()
    let trained = try sandbox.run("train", "config.json", "--set", "training.max_steps=1")
    #expect(trained.status == 0, "\(trained.err)")
    let long = String(repeating: "the film ", count: 200)
    try sandbox.write("long.csv", "\(long),a,b,c,d,A\nIs it good?,yes,no,it is,bad,B\n")
    let outcome = try sandbox.run(
      "eval", "config.json", "--predictions", "p.tsv", "--set", "task.validation_file=long.csv", "--output-dir", "base")
    #expect(outcome.status == 0)
    #expect(
      outcome.err.contains("long.csv: left out 1 record with more than 256 tokens (task.max_seq_length) (line 1)"),
      "\(outcome.err)")
    // The row's number is the question's.
    #expect(try sandbox.text("p.tsv").split(separator: "\n").last?.hasPrefix("1\t") == true)
    let refused = try sandbox.run("predict", "run", "long.csv")
    #expect(refused.status == 65 && refused.err.contains("long.csv:1: the question takes"), "\(refused.err)")
    let fewer = try sandbox.run("eval", "config.json", "--set", "task.max_seq_length=110", "--output-dir", "base")
    #expect(fewer.status == 0)
    #expect(
      fewer.err.contains("questions have fewer than 2 solved ones in front, so as to fit in 110 tokens"), "\(fewer.err)"
    )
  }

  @Test func otherRunsAnswerNoQuestions() throws {
    let sandbox = try Sandbox.language("gpt2-tiny", task: "causal-lm")
    #expect(try sandbox.run("train", "config.json").status == 0)
    let outcome = try sandbox.run("predict", "run", input: "q,a,b,c,d\n")
    #expect(
      outcome.status == 65 && outcome.err.contains("task causal-lm has no labels to predict"), "\(outcome.err)")
  }
}

extension Sandbox {
  /// A sandbox with a tiny LLaMA of 512 positions, questions in MMLU's layout and a config that trains for 20 steps.
  static func choices() throws -> Sandbox {
    let sandbox = try Sandbox.language("llama-grouped", task: "causal-lm")
    try sandbox.edit("model/config.json", "\"max_position_embeddings\": 64", "\"max_position_embeddings\": 512")
    func rows(_ count: Int, _ start: Int) -> String {
      let words = ["movie", "film", "story", "time", "critic"]
      return (start..<(start + count)).map { row in
        "Is the \(words[row % words.count]) good?,yes,\"no, it is\",not \(row),very,\(["A", "B", "C", "D"][row % 4])\n"
      }.joined()
    }
    for (name, text) in [
      ("auxiliary_train/films.csv", rows(24, 3)), ("dev/art_dev.csv", rows(2, 1)), ("dev/law_dev.csv", rows(2, 5)),
      ("val/art_val.csv", rows(4, 7)), ("val/law_val.csv", rows(2, 9)), ("test/art_test.csv", rows(2, 0)),
      ("test/law_test.csv", rows(2, 2)),
    ] {
      try sandbox.write("data/\(name)", text)
    }
    try sandbox.write(
      "config.json",
      """
      {
        "name": "tiny", "model": "model",
        "task": { "name": "multiple-choice", "data_dir": "data", "max_seq_length": 256 },
        "adapter": { "strategy": "share-a", "r": 2, "target_modules": ["q_proj", "v_proj"] },
        "training": { "max_steps": 20, "train_batch_size": 4, "learning_rate": 3e-2, "logging_steps": 5 },
        "output_dir": "run", "database": "runs.sqlite",
      }
      """)
    return sandbox
  }
}
