import Foundation
import StrictJSON
import Testing

/// Labels of every kind, from files of one's own, through all verbs.
@Suite struct LabelKindTests {
  private static let rows = (0..<12).map { index in
    let sea = index % 3 != 0, art = index % 2 == 0
    return (
      text: (sea ? "good film" : "bad") + " \(art ? "the" : "a")", labels: (sea ? ["sea"] : []) + (art ? ["art"] : [])
    )
  }

  private func config(_ task: String, _ training: String = "") -> String {
    """
    {"model": "model", "task": {"name": "text-classification", "text_columns": ["text"], "label_column": "label",
      "max_seq_length": 12, \(task)},
     "adapter": {"r": 2, "target_modules": ["query"]},
     "training": {"max_steps": 2, "train_batch_size": 4\(training)}, "output_dir": "run", "database": "d.sqlite"}
    """
  }

  @Test func severalLabels() throws {
    let sandbox = try Sandbox.trainable()
    let table = "text;label\n" + Self.rows.map { "\($0.text);\($0.labels.joined(separator: "|"))\n" }.joined()
    try sandbox.write("all-1.csv", table)
    try sandbox.write(
      "c.json",
      config(
        """
        "train_file": "all-*.csv", "test_file": "all-1.csv", "delimiter": ";", "validation_split": 0.25,
        "problem_type": "multi_label_classification", "label_separator": "|", "metrics": ["f1_macro", "roc_auc"]
        """, ", \"metric_for_best_model\": \"f1_macro\", \"load_best_model_at_end\": true"))
    let trained = try sandbox.run("train", "c.json", "--json")
    #expect(trained.status == 0, "\(trained.err)")
    #expect(trained.err.contains("validation_split: 3 of 12 examples are held back to validate on"))
    let scored = try sandbox.run("eval", "run", "--split", "test", "--predictions", "p.tsv", "--json")
    #expect(scored.status == 0 && scored.out.contains("\"f1_macro\""), "\(scored.err)")
    let rows = try sandbox.text("p.tsv").split(separator: "\n").map {
      $0.split(separator: "\t", omittingEmptySubsequences: false)
    }
    #expect(rows.count == 13 && rows[0].count == 5)
    #expect(rows.dropFirst().map { String($0[2]) } == Self.rows.map { $0.labels.sorted().joined(separator: "|") })
    // The same from a file and from a pipe.
    let file = try sandbox.run("predict", "run", "all-1.csv"), piped = try sandbox.run("predict", "run", input: table)
    #expect(file.out == (try sandbox.text("p.tsv")) && piped.out == file.out)
    let lines = try sandbox.run("predict", "run", "--json", input: "good film")
    #expect(try JSONParser.parse(lines.out)["prediction"]?.array != nil)
    #expect(try sandbox.run("merge", "run", "--output", "merged").status == 0)
    let merged = try JSONParser.parse(sandbox.text("merged/config.json"))
    #expect(merged["problem_type"]?.string == "multi_label_classification")
    #expect(merged["id2label"]?["0"]?.string == "art" && merged["id2label"]?["1"]?.string == "sea")
    let resumed = try sandbox.run("train", "c.json", "--resume", "--set", "training.max_steps=3")
    #expect(resumed.status == 0, "\(resumed.err)")
  }

  @Test func weightsAndSmoothing() throws {
    let sandbox = try Sandbox.trainable()
    try sandbox.write("t.tsv", "text\tlabel\n" + Self.rows.map { "\($0.text)\t\($0.labels.count)\n" }.joined())
    let files = "\"train_file\": \"t.tsv\", \"validation_file\": \"t.tsv\", "
    try sandbox.write("c.json", config(files + "\"class_weights\": \"balanced\"", ", \"label_smoothing_factor\": 0.1"))
    let trained = try sandbox.run("train", "c.json")
    #expect(
      trained.status == 0 && trained.err.contains("class weights: \"0\" 2, \"1\" 0.6667, \"2\" 1"), "\(trained.err)")
    #expect(trained.err.contains("label smoothing is of training alone"))
    func refused(_ set: String..., sentence: String) throws {
      let flags = ["train", "c.json", "--overwrite"] + set.flatMap { ["--set", $0] }
      let outcome = try sandbox.start(flags, input: "").finish()
      #expect(outcome.status == 65 && outcome.err.contains(sentence), "\(outcome.err)")
    }
    try refused(
      "task.class_weights=null", "task.problem_type=regression", "training.label_smoothing_factor=0.1",
      sentence: "training.label_smoothing_factor: cannot go with problem_type regression")
    try refused(
      "task.class_weights=null", "training.label_smoothing_factor=0", "task.metrics=[\"f1\"]",
      sentence: "task.metrics: f1 does not go with labels that are 3 classes")
    try refused(
      "training.metric_for_best_model=pearson", sentence: "pearson is not reported for this data, only accuracy, loss")
  }
}
