import StrictJSON

/// The data set, and which part of it is used.
public struct TaskConfig: Sendable, Equatable {
  /// The task's name.
  public var name: TaskName
  /// GLUE: the directory with the official file names.
  public var dataDir: String?
  /// Replaces the task's own file, or names it where the task has none.
  public var trainFile: String?
  /// Replaces the task's own file, or names it where the task has none.
  public var validationFile: String?
  /// Replaces the task's own file, or names it where the task has none.
  public var testFile: String?
  /// `tsv`: the column of the text, or the two of a pair.
  public var textColumns: [Column]?
  /// `tsv`: the column of the label.
  public var labelColumn: Column?
  /// `tsv`: whether the first line names the columns.
  public var hasHeader = true
  /// `instruct`: how instructions become prompts: `alpaca`, `model` (its own chat template), `chatml`, `llama-2`,
  /// `llama-3`, or a text with `{instruction}` and `{input}`; nil: `alpaca`.
  public var promptTemplate: String?
  /// `multiple-choice`: how a question is put and what is scored: `letter`, `text` or `continuation`; nil: letters for
  /// CSV, the choices' text for JSON.
  public var choiceStyle: String?
  /// `multiple-choice`: solved questions in front of each that is scored; nil: up to 5, where there is a file of them.
  public var numFewshot: Int?
  /// `multiple-choice`: where solved questions are; nil: MMLU's `dev/SUBJECT_dev.csv`.
  public var fewshotFile: String?
  /// Longer examples are cut to this many tokens.
  public var maxSeqLength = 128
  /// Only the first so many examples; nil: all.
  public var maxTrainSamples: Int?
  /// Only the first so many examples of every other split; nil: all.
  public var maxEvalSamples: Int?

  /// The task `name` with every default.
  public init(name: TaskName) { self.name = name }
}

extension TaskConfig: ConfigSection {
  static let initial = TaskConfig(name: .tsv)

  static let fields: [Field<TaskConfig>] = [
    Field("name", \.name, .choice, required: true),
    Field("data_dir", optional: \.dataDir, .text),
    Field("train_file", optional: \.trainFile, .text),
    Field("validation_file", optional: \.validationFile, .text),
    Field("test_file", optional: \.testFile, .text),
    Field("text_columns", optional: \.textColumns, .columns),
    Field("label_column", optional: \.labelColumn, .column),
    Field("has_header", \.hasHeader, .truth),
    Field("prompt_template", optional: \.promptTemplate, .text),
    Field("choice_style", optional: \.choiceStyle, .name(of: ["letter", "text", "continuation"])),
    Field("num_fewshot", optional: \.numFewshot, .integer(0...)),
    Field("fewshot_file", optional: \.fewshotFile, .text),
    Field("max_seq_length", \.maxSeqLength, .integer(1...)),
    Field("max_train_samples", optional: \.maxTrainSamples, .integer(1...)),
    Field("max_eval_samples", optional: \.maxEvalSamples, .integer(1...)),
  ]
}

/// The tasks a config can name.
public enum TaskName: String, Sendable, CaseIterable {
  case cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli
  case tsv
  case causalLM = "causal-lm"
  case e2e, instruct
  case multipleChoice = "multiple-choice"

  /// Whether the task is one of GLUE's, with file names and columns of its own.
  public var isGLUE: Bool {
    switch self {
    case .cola, .sst2, .mrpc, .stsb, .qqp, .mnli, .qnli, .rte, .wnli: true
    case .tsv, .causalLM, .e2e, .instruct, .multipleChoice: false
    }
  }

  /// What an evaluation gives that a best model can be chosen by, the task's main metric first.
  public var metricNames: [String] {
    switch self {
    case .cola: ["matthews_correlation", "loss"]
    case .mrpc, .qqp: ["accuracy", "f1", "loss"]
    case .stsb: ["pearson", "spearmanr", "loss"]
    case .sst2, .mnli, .qnli, .rte, .wnli, .tsv: ["accuracy", "loss"]
    case .multipleChoice: ["accuracy", "accuracy_norm", "loss"]
    case .causalLM, .e2e, .instruct: ["perplexity", "loss"]
    }
  }
}

/// A column of a table, by the header's name or by its place.
public enum Column: Sendable, Hashable {
  case name(String)
  /// 0-based.
  case number(Int)
}

extension FieldKind where Value == Column {
  static var column: Self {
    Self(
      read: { node in
        if let name = node.string, !name.isEmpty { return .value(.name(name)) }
        if let number = node.integer, number >= 0, number <= FieldKind<Int>.largestCount {
          return .value(.number(number))
        }
        return .expected("a column's name or 0-based number")
      },
      write: { column in
        switch column {
        case .name(let name): .string(name)
        case .number(let number): .integer(number)
        }
      },
      schema: ["type": ["string", "integer"], "minLength": 1, "minimum": 0])
  }
}

extension FieldKind where Value == [Column] {
  static var columns: Self {
    .list("a list of one or two columns, by name or 0-based number", of: .column, most: 2)
  }
}
