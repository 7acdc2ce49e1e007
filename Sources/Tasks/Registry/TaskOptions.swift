import Metrics

/// What a config says about its task: the section `task`.
public struct TaskOptions: Sendable, Equatable {
  /// The task's name.
  public var name: String
  /// Directory with the task's usual file names.
  public var dataDir: String?
  /// Replace the task's own file, or name it where the task has none: paths, or patterns such as `data/train-*.csv`.
  public var trainFile: [String]?
  /// Replace the task's own file, or name it where the task has none; paths or patterns.
  public var validationFile: [String]?
  /// Replace the task's own file, or name it where the task has none; paths or patterns.
  public var testFile: [String]?
  /// How the files are written; nil: as their endings tell.
  public var fileFormat: FileFormat?
  /// What ends the fields of CSV, an ASCII character; nil: a comma.
  public var delimiter: Character?
  /// Instead of `validation_file`: the share of the training examples that is held back to validate on.
  public var validationSplit: Double?
  /// `text-classification`: the column of the text, or the two of a pair.
  public var textColumns: [Column]?
  /// `text-classification`: the column of the label.
  public var labelColumn: Column?
  /// `text-classification`: whether the first line names the columns; `cola` accepts it without effect.
  public var hasHeader = true
  /// What labels are; nil: as those of the training files tell.
  public var problemType: ProblemType?
  /// Several labels in a table: what stands between them.
  public var labelSeparator: String?
  /// How much the examples of each class count in training; nil: all alike.
  public var classWeights: ClassWeights?
  /// What evaluations report, the main metric first; nil: what is usual for the task.
  public var metrics: [String]?
  /// The labels in the order of the head's outputs; a whole number in a file is the place of a label in this list.
  public var labelNames: [String]?
  /// `instruct`: the older name of `chatTemplate`, or a text with `{instruction}` and `{input}`.
  public var promptTemplate: String?
  /// `instruct`: how conversations become text: `model` (the model's own template) or the name of another of the model's,
  /// `alpaca`, `chatml`, `llama-2`, `llama-3`, `completion`, or a file of Jinja; nil: as the data's layout tells.
  public var chatTemplate: String?
  /// `instruct`: the day that a template sees as today, such as `2024-07-26`; nil: that one.
  public var chatTemplateDate: String?
  /// `instruct`: on which turns the loss is taken; nil: all of the assistant's.
  public var assistantOnlyLoss: AssistantLoss?
  /// `instruct`: put several conversations into a row of `max_seq_length` tokens to train on.
  public var packing: Bool?
  /// `multiple-choice`: how a question is put and what is scored: `letter`, `text` or `continuation`; nil: letters for
  /// CSV, the choices' text for JSON.
  public var choiceStyle: String?
  /// `multiple-choice`: solved questions in front of each that is scored; nil: up to 5, where there is a file of them.
  public var numFewshot: Int?
  /// `multiple-choice`: where solved questions are; nil: MMLU's `dev/SUBJECT_dev.csv`.
  public var fewshotFile: String?
  /// Longer examples are cut to this many tokens; nil: 128 for sentences, 1024 (or what the model takes) for language.
  public var maxSeqLength: Int?
  /// Use only the first examples; nil: all.
  public var maxTrainSamples: Int?
  /// Use only the first examples of every other split; nil: all.
  public var maxEvalSamples: Int?

  /// The task `name` with every default.
  public init(name: String) { self.name = name }

  /// The format of the files, as far as it is given.
  public var tableStyle: TableStyle { TableStyle(format: fileFormat, delimiter: delimiter) }

  /// The files that are given for `split` itself: paths or patterns.
  func ownFiles(_ split: Split) -> [String]? {
    switch split {
    case .train: trainFile
    case .validation: validationFile
    case .validationMismatched: nil
    case .test: testFile
    }
  }

  /// Forgets what a run's model and data decided, where `given`, the config that it began with, says nothing.
  public mutating func forgetDecisions(givenBy given: TaskOptions) {
    if given.maxSeqLength == nil { maxSeqLength = nil }
    if (given.chatTemplate == nil && given.promptTemplate == nil) || chatTemplate.map(Self.isJinja) == true {
      (chatTemplate, promptTemplate) = (given.chatTemplate, given.promptTemplate)
    }
  }

  /// The values of `chat_template`, for people.
  public static let templates =
    "model (its own), another name of the model's, \(ChatTemplate.Own.allCases.map(\.rawValue).joined(separator: ", ")), a "
    + "file of Jinja or GGUF"

  /// Whether a value of `chat_template` is a template itself, as runs keep those of files.
  static func isJinja(_ text: String) -> Bool { text.contains("{%") || text.contains("{{") }

  /// How many examples of `split` to use.
  public func limit(_ split: Split) -> Int? { split == .train ? maxTrainSamples : maxEvalSamples }
}

/// An option that only some tasks take, by its key in the config.
public enum TaskOption: String, Sendable, CaseIterable {
  case fileFormat = "file_format"
  case delimiter
  case textColumns = "text_columns"
  case labelColumn = "label_column"
  case hasHeader = "has_header"
  case labelNames = "label_names"
  case validationSplit = "validation_split"
  case problemType = "problem_type"
  case labelSeparator = "label_separator"
  case classWeights = "class_weights"
  case metrics
  case promptTemplate = "prompt_template"
  case chatTemplate = "chat_template"
  case chatTemplateDate = "chat_template_date"
  case assistantOnlyLoss = "assistant_only_loss"
  case packing
  case choiceStyle = "choice_style"
  case numFewshot = "num_fewshot"
  case fewshotFile = "fewshot_file"

  /// Whether `options` give it.
  public func isGiven(_ options: TaskOptions) -> Bool {
    switch self {
    case .fileFormat: options.fileFormat != nil
    case .delimiter: options.delimiter != nil
    case .textColumns: options.textColumns != nil
    case .labelColumn: options.labelColumn != nil
    case .hasHeader: !options.hasHeader
    case .labelNames: options.labelNames != nil
    case .validationSplit: options.validationSplit != nil
    case .problemType: options.problemType != nil
    case .labelSeparator: options.labelSeparator != nil
    case .classWeights: options.classWeights != nil
    case .metrics: options.metrics != nil
    case .promptTemplate: options.promptTemplate != nil
    case .chatTemplate: options.chatTemplate != nil
    case .chatTemplateDate: options.chatTemplateDate != nil
    case .assistantOnlyLoss: options.assistantOnlyLoss != nil
    case .packing: options.packing != nil
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
