import Diagnostics
import Foundation
import Metrics
import Models

/// A task: its data, its objective and its metrics, under the name that a config gives.
///
/// Everything that lists tasks (config, JSON Schema, `init`, `eval`, `predict`) lists `Task.all`. A task of your own is
/// one value:
///
///     let reviews = Task.classification(
///       "reviews", summary: "Film reviews, one a line", files: [.train: ["train.txt"], .validation: ["dev.txt"]],
///       labels: .classes(["bad", "good"])
///     ) { path, _ in try readReviews(path) }
public struct Task: Sendable {
  /// What the examples are labelled with.
  public enum Labels: Sendable, Equatable {
    /// Nothing: the task trains a language model.
    case none
    /// Always these.
    case fixed(LabelSpace)
    /// What stands in the training file.
    case inTrainingFile
  }

  /// The name in a config.
  public private(set) var name: String
  /// Names that it had before, which configs may go on using.
  public var oldNames: [String] = []
  /// What it is, in one sentence.
  public let summary: String
  /// The splits, and the names of their files within `data_dir`, in the order in which they are looked for. No names:
  /// the config must name the file.
  public let files: [Split: [String]]
  /// Whether the data is distributed as a directory under these names, by which `init` recognises it.
  public var comesAsDirectory: Bool
  /// The options it takes beside files and limits.
  public var options: Set<TaskOption>
  /// Those it cannot do without.
  public var requiredOptions: Set<TaskOption>
  /// What the examples are labelled with.
  public let labels: Labels
  /// Every metric that an evaluation can report, the main one first, the loss last. Which ones it reports may depend on
  /// the labels.
  public let metrics: [Metric]
  /// Those that it reports where an example may have several labels.
  public var setMetrics: [Metric] = []
  /// Which head its labels need.
  public var headKind = HeadKind.sequence
  /// How many texts of `max_seq_length` tokens an example may have.
  public var textsPerExample: Int
  /// Whether `eval` generates a text for each example and compares it with its references.
  public var isScoredByTexts: Bool
  /// Finds the labels and makes what reads the splits.
  public let open: @Sendable (TaskOpening) throws -> TaskReader

  /// A task of its parts; the loss is added to `metrics`.
  public init(
    _ name: String, summary: String, files: [Split: [String]], labels: Labels, metrics: [Metric],
    options: Set<TaskOption> = [], requiredOptions: Set<TaskOption> = [], comesAsDirectory: Bool = false,
    textsPerExample: Int = 1, isScoredByTexts: Bool = false,
    open: @escaping @Sendable (TaskOpening) throws -> TaskReader
  ) {
    (self.name, self.summary, self.files, self.labels) = (name, summary, files, labels)
    (self.metrics, self.options, self.requiredOptions) = (metrics.endingWithLoss, options, requiredOptions)
    (self.comesAsDirectory, self.textsPerExample) = (comesAsDirectory, textsPerExample)
    (self.isScoredByTexts, self.open) = (isScoredByTexts, open)
  }

  /// The same task under another name.
  fileprivate func called(_ name: String) -> Task {
    var task = self
    task.name = name
    return task
  }

  /// Every task.
  public static let all = glue + [table, tokenClassification, causalLM, e2e, instruct, multipleChoice]

  /// Whether the task trains a language model to predict text.
  public var isLanguageModelling: Bool { labels == .none }

  /// The most tokens of an example where a config says nothing.
  public func usualLength(_ model: ModelConfig) -> Int {
    isLanguageModelling ? min(1024, model.maximumSequenceLength / textsPerExample) : 128
  }

  /// The splits that it can have.
  public var splits: [Split] { Split.allCases.filter { files[$0] != nil } }

  /// Whether its files have names of their own.
  public var hasFileNames: Bool { files.values.contains { !$0.isEmpty } }

  /// The files of `split`, or its directory. Throws where there are none.
  func paths(_ split: Split, _ options: TaskOptions) throws -> [String] {
    guard let names = files[split] else { throw TaskError.noSuchSplit(task: name, split: split, splits: splits) }
    if let own = options.ownFiles(split) { return try found(own, split) }
    let directory = options.dataDir.map { $0.hasSuffix("/") ? $0 : $0 + "/" }
    let candidates = directory.map { directory in names.map { directory + $0 } } ?? []
    guard let usual = candidates.first else { throw TaskError.noFileGiven(task: name, split: split) }
    if let file = candidates.first(where: FileManager.default.fileExists(atPath:)) { return [file] }
    throw TaskError.missingFile(file: usual, task: name, split: split)
  }

  /// What the config's paths and patterns for `split` stand for. A path that exists is no pattern.
  private func found(_ patterns: [String], _ split: Split) throws -> [String] {
    let paths = try patterns.flatMap { path in
      if FileManager.default.fileExists(atPath: path) { return [path] }
      guard Glob.isPattern(path) else { throw TaskError.missingFile(file: path, task: name, split: split) }
      let files = Glob.files(matching: path)
      if files.isEmpty { throw TaskError.noMatch(pattern: path, task: name, split: split) }
      return files
    }
    var seen = Set<[UInt8]>()
    for path in paths where !seen.insert(Array(URL(fileURLWithPath: path).resolvingSymlinksInPath().path.utf8)).inserted
    {
      throw TaskError.badOption(key: split.fileKey, problem: "names \(path) twice")
    }
    return paths
  }

  /// The metrics that fit `labels`.
  public func metrics(for labels: LabelSpace) -> [Metric] {
    if case .labelSets = labels { return setMetrics }
    return metrics.filter { $0.needs == .none || !$0.needs.isDisjoint(with: labels.kind) }
  }
}

extension Sequence<Task> {
  /// The task called `name`, now or before; it has that name then. Throws where there is none.
  public func named(_ name: String) throws -> Task {
    guard let task = first(where: { ([$0.name] + $0.oldNames).contains(name) }) else {
      throw TaskError.unknownTask(name, known: map(\.name))
    }
    return task.called(name)
  }
}

extension Task {
  /// A task that labels texts or pairs of texts. `read` gives the examples of a file, numbered by class as in `labels`.
  public static func classification(
    _ name: String, summary: String, files: [Split: [String]], labels: LabelSpace, metrics: [Metric] = [.accuracy],
    read: @escaping @Sendable (_ path: String, _ split: Split) throws -> [Example]
  ) -> Task {
    Task(name, summary: summary, files: files, labels: .fixed(labels), metrics: metrics) { opening in
      let own = labels, labels = try opening.ordered(own)
      return TaskReader(labels: labels, objective: try opening.objective(for: labels)) { request in
        let examples = try request.paths.flatMap { path in
          try read(path, request.split).map { $0.relabelled(own, as: labels, file: path) }
        }
        return SplitData(examples.prefix(request.limit), files: request.paths, labels: labels)
      } predict: { input in
        SplitData(try input.lines(asPairs: false), files: [input.name], labels: labels)
      }
    }
  }
}

extension Example {
  /// The same example in `file`, with the number that its class has in `other`.
  fileprivate func relabelled(_ own: LabelSpace, as other: LabelSpace, file: String) -> Example {
    var label = label
    if own != other, case .classIndex(let index) = label, case .classes(let names) = own,
      case .classes(let others) = other, let number = others.place(of: names[index])
    {
      label = .classIndex(number)
    }
    return Example(text: text, pair: pair, label: label, file: file, line: line)
  }
}

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
    if given.chatTemplate == nil, given.promptTemplate == nil { chatTemplate = nil }
  }

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
