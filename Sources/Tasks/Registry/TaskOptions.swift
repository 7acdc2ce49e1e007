import Metrics

/// What a config says about its task: the section `task`.
public struct TaskOptions: Sendable, Equatable {
  /// The task's name.
  public var name: String
  /// Holds the files under the task's own names.
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
  /// Use only the first examples; nil: all.
  public var maxTrainSamples: Int?
  /// Use only the first examples of every other split; nil: all.
  public var maxEvalSamples: Int?

  /// The task `name` with every default.
  public init(name: String) { self.name = name }

  /// The file that is given for `split` itself.
  func ownFile(_ split: Split) -> String? {
    switch split {
    case .train: trainFile
    case .validation: validationFile
    case .validationMismatched: nil
    case .test: testFile
    }
  }

  /// How many examples of `split` to use.
  public func limit(_ split: Split) -> Int? { split == .train ? maxTrainSamples : maxEvalSamples }
}

/// An option that only some tasks take, by its key in the config.
public enum TaskOption: String, Sendable, CaseIterable {
  case textColumns = "text_columns"
  case labelColumn = "label_column"
  case hasHeader = "has_header"
  case promptTemplate = "prompt_template"
  case choiceStyle = "choice_style"
  case numFewshot = "num_fewshot"
  case fewshotFile = "fewshot_file"

  /// Whether `options` give it.
  public func isGiven(_ options: TaskOptions) -> Bool {
    switch self {
    case .textColumns: options.textColumns != nil
    case .labelColumn: options.labelColumn != nil
    case .hasHeader: !options.hasHeader
    case .promptTemplate: options.promptTemplate != nil
    case .choiceStyle: options.choiceStyle != nil
    case .numFewshot: options.numFewshot != nil
    case .fewshotFile: options.fewshotFile != nil
    }
  }
}

extension Split {
  /// The config key under `task` that gives the split's file.
  var fileKey: String {
    switch self {
    case .train: "train_file"
    case .validation, .validationMismatched: "validation_file"
    case .test: "test_file"
    }
  }
}
