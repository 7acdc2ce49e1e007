import Foundation
import StrictJSON
import Testing

@Suite struct PredictTests {
  @Test func aTableIsPredictedAsEvaluationDoes() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("train", "config.json").status == 0)
    #expect(try sandbox.run("eval", "run", "--predictions", "p.tsv").status == 0)
    let ofFile = try sandbox.run("predict", "run", "data/dev.tsv", "--quiet")
    #expect(ofFile.status == 0 && ofFile.err.isEmpty)
    #expect(ofFile.out == (try sandbox.text("p.tsv")))
    #expect(try sandbox.run("predict", "run", input: sandbox.text("data/dev.tsv")).out == ofFile.out)
  }

  @Test func plainLinesAreTextsOneALine() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("train", "config.json").status == 0)
    let outcome = try sandbox.run("predict", "run", input: "good film\nbad film")
    let rows = outcome.out.split(separator: "\n").map { $0.split(separator: "\t", omittingEmptySubsequences: false) }
    #expect(rows.map(\.first) == ["index", "0", "1"] && rows.allSatisfy { $0.count == 5 })
    #expect(rows.dropFirst().allSatisfy { $0[2].isEmpty })
    let json = try sandbox.run("predict", "run", "--json", input: "good film\nbad film")
    let lines = try json.out.split(separator: "\n").map { try JSONParser.parse(String($0)) }
    #expect(lines.map { $0["prediction"]?.string } == rows.dropFirst().map { String($0[1]) })
  }

  @Test func scoresThatAreNotFiniteAreRefused() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("train", "config.json").status == 0)
    let path = sandbox.place("run/adapter_model.safetensors")
    var bytes = Array(try #require(FileManager.default.contents(atPath: path)))
    let start = 8 + (0..<8).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
    for place in bytes.indices.dropFirst(start) { bytes[place] = [0, 0, 0, 0x7F][(place - start) % 4] }
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    let outcome = try sandbox.run("predict", "run", input: "good film\nbad film")
    #expect(outcome.status == 65 && !outcome.out.contains("nan"), "\(outcome.out)")
    #expect(
      outcome.err.contains("stdin: the scores of example 0 are not finite; the adapter or the model is damaged"),
      "\(outcome.err)")
  }

  @Test func pairsNeedTwoFields() throws {
    let sandbox = try Sandbox.trainable()
    try sandbox.write(
      "pairs.json",
      """
      {"model": "model", "task": {"name": "tsv", "train_file": "pairs.tsv", "text_columns": ["a", "b"],
       "label_column": "y", "max_seq_length": 32}, "adapter": {"r": 2}, "output_dir": "pairs",
       "training": {"max_steps": 2, "eval_strategy": "no"}, "database": "runs.sqlite"}
      """)
    try sandbox.write("pairs.tsv", "a\tb\ty\ngood\tfilm\tyes\nbad\tfilm\tno\nbad\tstory\tmaybe\n")
    let trained = try sandbox.run("train", "pairs.json")
    #expect(trained.status == 0, "\(trained.err)")
    let outcome = try sandbox.run("predict", "pairs", input: "good\tfilm\nbad\t\n")
    #expect(outcome.status == 0 && outcome.out.hasPrefix("index\tprediction\tlabel\tscore_0\tscore_1\tscore_2\n"))
    // The same rows in every format.
    try sandbox.write("p.csv", "b,a\nfilm,good\n,bad\n")
    let jsonl = #"{"a": "good", "b": "film"}"# + "\n" + #"{"a": "bad", "b": ""}"# + "\n"
    #expect(try sandbox.run("predict", "pairs", "p.csv").out == outcome.out)
    #expect(try sandbox.run("predict", "pairs", "--format", "csv", input: sandbox.text("p.csv")).out == outcome.out)
    #expect(try sandbox.run("predict", "pairs", "--format", "jsonl", input: jsonl).out == outcome.out)
    let refused = try sandbox.run("predict", "pairs", input: "good\tfilm\nbad film\n")
    #expect(refused.status == 65 && refused.err.contains("stdin:2: "))
  }
}
