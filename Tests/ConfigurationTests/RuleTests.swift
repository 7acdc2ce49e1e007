import Configuration
import Tasks
import Testing

@Suite struct RuleTests {
  @Test(arguments: [
    (#""name": "mrpc""#, ["data_dir: task mrpc needs data_dir, or train_file"]),
    (#""name": "mrpc", "train_file": "t""#, []),
    (#""name": "causal-lm""#, ["train_file: task causal-lm needs train_file, or data_dir"]),
    (#""name": "e2e", "data_dir": "d""#, []),
    (#""name": "instruct", "data_dir": "d", "train_file": "t", "prompt_template": "chatml""#, []),
    (#""name": "e2e", "train_file": "t", "prompt_template": "a""#, ["prompt_template: only applies to task instruct"]),
    (
      #""name": "instruct", "train_file": "t", "chat_template": "model", "chat_template_date": "2025-01-31", "#
        + #""assistant_only_loss": "last", "packing": true"#, []
    ),
    (
      #""name": "instruct", "train_file": "t", "chat_template": "a", "prompt_template": "b""#,
      ["prompt_template: is the older name of chat_template: give one of them"]
    ),
    (
      #""name": "e2e", "train_file": "t", "chat_template": "a", "assistant_only_loss": false, "packing": false"#,
      [
        "chat_template: only applies to task instruct", "assistant_only_loss: only applies to task instruct",
        "packing: only applies to task instruct",
      ]
    ),
    (#""name": "multiple-choice", "data_dir": "d", "num_fewshot": 5, "choice_style": "letter""#, []),
    (
      #""name": "multiple-choice", "data_dir": "d", "num_fewshot": 0, "fewshot_file": "f""#,
      ["fewshot_file: requires num_fewshot above 0"]
    ),
    (
      #""name": "e2e", "train_file": "t", "num_fewshot": 0, "choice_style": "text", "fewshot_file": "f""#,
      [
        "choice_style: only applies to task multiple-choice", "num_fewshot: only applies to task multiple-choice",
        "fewshot_file: only applies to task multiple-choice",
      ]
    ),
    (
      #""name": "tsv", "data_dir": "d", "train_file": "t", "text_columns": [0], "label_column": 1"#,
      ["data_dir: the files of a table have no names of their own; task tsv needs train_file"]
    ),
    (
      #""name": "tsv""#,
      [
        "train_file: task tsv needs train_file", "text_columns: task tsv needs text_columns",
        "label_column: task tsv needs label_column",
      ]
    ),
    (#""name": "tsv", "train_file": "t", "text_columns": ["a", 2], "label_column": "l""#, []),
    (
      #""name": "text-classification", "train_file": "t", "text_columns": [0], "label_column": 1, "label_names": ["b", "a"], "validation_split": 0.1"#,
      []
    ),
    (
      #""name": "tsv", "train_file": "t", "text_columns": [0], "label_column": 1, "validation_file": "v", "validation_split": 0.1"#,
      ["validation_split: cannot go with validation_file"]
    ),
    (
      #""name": "tsv", "train_file": "t", "text_columns": [0], "label_column": 1, "label_separator": "|""#,
      ["label_separator: needs problem_type multi_label_classification"]
    ),
    (
      #""name": "tsv", "train_file": "t", "text_columns": [0], "label_column": 1, "problem_type": "multi_label_classification", "label_separator": "|", "metrics": ["roc_auc"]"#,
      []
    ),
    (
      #""name": "tsv", "train_file": "t", "text_columns": [0], "label_column": 1, "problem_type": "regression", "label_names": ["a", "b"], "class_weights": "balanced""#,
      [
        "class_weights: cannot go with problem_type regression", "label_names: cannot go with problem_type regression",
      ]
    ),
    (#""name": "rte", "data_dir": "d", "metrics": ["f1", "loss"]"#, []),
    (
      #""name": "e2e", "data_dir": "d", "metrics": ["f1"]"#,
      ["metrics: only applies to tasks cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli and text-classification"]
    ),
    (
      #""name": "rte", "data_dir": "d", "label_names": ["b", "a"], "validation_split": 0.5"#,
      [
        "label_names: only applies to tasks text-classification and token-classification",
        "validation_split: only applies to tasks text-classification and token-classification",
      ]
    ),
    (#""name": "e2e", "train_file": ["a/*.csv", "b"], "file_format": "csv", "delimiter": ";""#, []),
    (
      #""name": "sst2", "data_dir": "d", "file_format": "csv", "delimiter": ";""#,
      [
        "file_format: only applies to tasks text-classification, token-classification, causal-lm, e2e, instruct and "
          + "multiple-choice",
        "delimiter: only applies to tasks text-classification, causal-lm, e2e, instruct and multiple-choice",
      ]
    ),
    (
      #""name": "tsv", "train_file": "t", "text_columns": [0, "a"], "label_column": "l", "has_header": false"#,
      [
        #"text_columns: without a header, a column is a 0-based number, not "a""#,
        #"label_column: without a header, a column is a 0-based number, not "l""#,
      ]
    ),
  ])
  func tasksNeedTheirFilesAndColumns(task: String, problems: [String]) {
    let expected = problems.map { "run.json:1: task.\($0)" }.joined(separator: "\n")
    #expect(refusal("{\"model\": \"m\", \"task\": {\(task)}}") ?? "" == expected)
  }

  @Test(arguments: [
    (#""eval_strategy": "steps""#, ["eval_steps: must be at least 1 with eval_strategy \"steps\""]),
    (#""eval_strategy": "steps", "eval_steps": 5"#, []),
    (
      #""eval_strategy": "no", "load_best_model_at_end": true"#,
      ["load_best_model_at_end: needs an eval_strategy other than \"no\""]
    ),
    (
      #""eval_strategy": "no", "early_stopping_patience": 2"#,
      [
        "early_stopping_patience: needs an eval_strategy other than \"no\"",
        "early_stopping_patience: needs metric_for_best_model",
      ]
    ),
    (#""early_stopping_patience": 2, "metric_for_best_model": "loss""#, []),
    (
      #""eval_strategy": "step""#,
      ["eval_strategy: must be one of no, steps, epoch (did you mean steps?), not \"step\""]
    ),
  ])
  func selectionNeedsEvaluation(training: String, problems: [String]) {
    let expected = problems.map { "run.json:5: training.\($0)" }.joined(separator: "\n")
    #expect(refusal(config(training: training)) ?? "" == expected)
  }

  @Test(arguments: Task.all.flatMap { task in task.metrics.map { (task, $0.name) } })
  func metricsOfTheTaskAreAcceptedWithAndWithoutPrefix(task: Task, metric: String) throws {
    let files = task.comesAsDirectory ? "\"data_dir\": \"d\"" : "\"train_file\": \"f\""
    let columns = task.requiredOptions.contains(.textColumns) ? "\"text_columns\": [0], \"label_column\": 1" : ""
    for name in [metric, "eval_" + metric] {
      let text = """
        {"model": "m", "task": {"name": "\(task.name)", \(files), \(columns)},
         "training": {"metric_for_best_model": "\(name)"}}
        """
      let config = try RunConfig.load(text: text)
      #expect(config.training.metricForBestModel == metric)
      #expect(config.rankingMetric?.greaterIsBetter == (metric != "loss" && metric != "perplexity"))
    }
  }

  @Test func aWrongValueRaisesNoSecondQuestion() {
    let text = "{\"model\": \"m\", \"task\": {\"name\": 7, \"text_columns\": [0]}}"
    #expect(refusal(text)?.split(separator: "\n").count == 1)
  }
}
