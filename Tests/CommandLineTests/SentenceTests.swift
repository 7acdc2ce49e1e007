import Adapters
import Foundation
import RunStore
import Testing

/// The verbs' own errors, each by its exact sentence and exit status.
@Suite struct SentenceTests {
  private func expect(
    _ sandbox: Sandbox, _ arguments: [String], input: String = "", _ sentence: String, status: Int32 = 64,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let outcome = try sandbox.start(arguments, input: input).finish()
    #expect(outcome.status == status, "\(outcome.err)", sourceLocation: sourceLocation)
    #expect(
      outcome.errorLines.first { $0.hasPrefix("swift-peft: ") } == "swift-peft: error: \(sentence)",
      sourceLocation: sourceLocation)
  }

  @Test(arguments: [
    ("train config.json --resume --overwrite", "--resume and --overwrite exclude each other"),
    ("train config.json --threads 0", "--threads must be at least 1, not 0"),
    ("sweep sweep.json --jobs 0", "--jobs must be at least 1, not 0"),
    ("compare-params model --r 0", "--r must be at least 1, not 0"),
    ("compare-params model --num-merges=-1", "--num-merges must be at least 0, not -1"),
    ("compare-params model --set adapter.r=4", "--set needs a run config; model is a model"),
    (
      "compare-params model --strategies shar-a",
      "--strategies: unknown strategy \"shar-a\", did you mean \"share-a\"? (one of "
        + AdapterMethod.all.map(\.name).joined(separator: ", ") + ")"
    ),
    ("generate model --top-k=-1", "--top-k must be at least 0, not -1"),
    (
      "generate model --min-new-tokens 9 --max-new-tokens 5", "--min-new-tokens 9 is above --max-new-tokens 5"
    ),
    ("generate model --max-new-tokens 0", "--max-new-tokens must be at least 1, not 0"),
    ("generate model --no-repeat-ngram-size=-1", "--no-repeat-ngram-size must be at least 0, not -1"),
    ("generate model --num-beams 0", "--num-beams must be at least 1, not 0"),
    ("generate model --temperature=-1", "--temperature must be at least 0, not -1.0"),
    ("generate model --top-p 2", "--top-p must be above 0 and at most 1, not 2.0"),
    ("generate model --repetition-penalty 0", "--repetition-penalty must be above 0, not 0.0"),
    ("generate model --length-penalty nan", "--length-penalty must be a number, not nan"),
    (
      "generate model --num-beams 2 --top-k 3",
      "--num-beams cannot be combined with --do-sample, --temperature, --top-k, --top-p, --min-p and --typical-p: beam "
        + "search does not sample"
    ),
    ("eval config.json --loss-only --num-beams 2", "--loss-only generates no texts; remove the generation flags"),
    (
      "eval config.json --loss-only",
      "--loss-only and the generation flags apply to task e2e only, not to sst2"
    ),
    ("eval config.json --length-penalty nan", "--length-penalty must be a number, not nan"),
    ("tokenize model --decode --tokens", "--decode cannot be combined with --tokens, --json-input or --max-length"),
    ("tokenize model --keep-special-tokens", "--keep-special-tokens needs --decode"),
    ("tokenize model --max-length 0", "--max-length must be at least 1, not 0"),
    ("runs list --limit 0", "--limit must be at least 1, not 0"),
    ("runs compare 1 --task sst2", "give run numbers or filters, not both"),
    ("download nothing", "nothing is not a Hub name; expected owner/name or owner/name@revision"),
    ("download model/tiny", "model/tiny is a local path, not a Hub name"),
    ("merge model --adapter a --set training.seed=1 --output m", "--set needs a run config; model is a model"),
  ]) func usage(line: String, sentence: String) throws {
    let sandbox = try Sandbox.trainable()
    try expect(sandbox, line.split(separator: " ").map(String.init), sentence)
  }

  @Test func aRunHasItsOwnAdapter() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("train", "config.json").status == 0)
    let run = "run is a run and has its own adapter"
    try expect(sandbox, ["eval", "run", "--adapter", "run"], "--adapter needs a config; \(run)")
    for verb in [["generate"], ["merge", "--output", "m"], ["export", "--format", "peft", "--output", "p"]] {
      try expect(sandbox, verb + ["run", "--adapter", "run"], "--adapter needs a model; \(run)")
    }
  }

  @Test func runs() throws {
    let sandbox = try Sandbox()
    let store = try RunStore(path: sandbox.place("runs/swift-peft.sqlite"))
    _ = try store.beginRun(
      RunDetails(
        name: "n", model: "m", modelType: "bert", task: "sst2", strategy: "lora", r: 8, loraAlpha: 16, seed: 1,
        precision: "float32", threads: 1, parameters: ParameterCounts(adapter: 1, trainable: 2, total: 3), config: "{}",
        outputDir: "o", version: "1"))
    let database = "runs/swift-peft.sqlite"
    try expect(sandbox, ["runs", "compare", "--name", "other"], "\(database): no run matches", status: 66)
    try expect(sandbox, ["runs", "show", "7"], "\(database): no run 7", status: 66)
    try expect(
      sandbox, ["runs", "delete", "1", "--yes"], "run 1 is still training; --force deletes it anyway")
    try expect(
      sandbox, ["runs", "delete", "1", "--force"],
      "nothing was deleted; add --yes to delete these runs from the database")
  }

  @Test func sweeps() throws {
    let sandbox = try SweepVerbTests.sandbox()
    #expect(try sandbox.run("sweep", "sweep.json").status == 0)
    try expect(
      sandbox, ["sweep", "sweep.json", "--set", "training.learning_rate=1e-3"],
      "runs/tiny/strategy-lora_seed-1: holds a finished run with another config; choose another output_dir, or use "
        + "--overwrite to retrain all runs of the sweep", status: 73)
    let holder = try #require(fopen(sandbox.place("runs/tiny/.sweep.lock"), "w"))
    defer { fclose(holder) }
    #expect(flock(fileno(holder), LOCK_EX | LOCK_NB) == 0)
    try expect(
      sandbox, ["sweep", "sweep.json", "--overwrite"],
      "runs/tiny: another process is running this sweep", status: 73)
  }

  @Test func configsThatInitCannotWrite() throws {
    let sandbox = try Sandbox.trainable()
    try sandbox.write("other/train.tsv", "a\tb\n1\t2\n")
    try sandbox.write("list.tsv", "one\ntwo\nthree\n")
    try sandbox.write("mine.json", "{}")
    try expect(
      sandbox, ["init", "model", "other"],
      "other/train.tsv: no texts with labels, no conversations and no words with tags were found", status: 65)
    try FileManager.default.createDirectory(atPath: sandbox.place("empty"), withIntermediateDirectories: true)
    try expect(
      sandbox, ["init", "model", "empty"],
      "empty: is none of GLUE's data sets as distributed, and has no file called train.jsonl, train.csv, train.tsv, "
        + "train.txt or the like; say which with --task, or name the files", status: 65)
    let decoder =
      "needs a model that generates text, but model is a bert model; labels are found in a column called label "
      + "or the like, or with --task text-classification"
    try expect(
      sandbox, ["init", "model", "list.tsv"], "list.tsv: texts without labels, and task causal-lm \(decoder)",
      status: 65)
    try expect(
      sandbox, ["init", "model", "data", "--output", "mine.json"], "mine.json: already exists; --force replaces it",
      status: 73)
    try expect(
      sandbox, ["init", "model", "data", "--task", "causal-lm"],
      "data: texts with labels, and task causal-lm \(decoder)", status: 65)
    let names = AdapterMethod.all.map(\.name).joined(separator: ", ")
    try expect(
      sandbox, ["init", "model", "data", "--strategy", "loora"], "--strategy: must be one of \(names), not loora")
  }

  @Test func lines() throws {
    let sandbox = try Sandbox.language("gpt2-tiny", task: "causal-lm")
    let long = String(repeating: " the", count: 80)
    try expect(
      sandbox, ["generate", "model", "--prompt", "a", "--prompt", long],
      "prompt 2: the prompt's 80 tokens leave no room for a continuation: the model's limit is 64", status: 65)
    try expect(
      sandbox, ["tokenize", "model", "--decode"], input: "[1]\n{}\n", "stdin:2: expected a JSON array of token ids",
      status: 65)
  }

  @Test func streams() throws {
    let sandbox = try Sandbox.trainable()
    func said(_ line: String) throws -> String { try sandbox.shell(line).err }
    #expect(
      try said("\"$TOOL\" compare-params model > /dev/full")
        == "swift-peft: error: stdout: writing failed: No space left on device\n")
    #expect(
      try said("\"$TOOL\" tokenize model < .") == "swift-peft: error: stdin: reading failed: Is a directory\n")
    try expect(
      sandbox, ["init", "model", "nowhere"], "nowhere: no such file or directory", status: 66)
  }
}
