import Metrics

/// A task with its files, labels and objective, ready to be read.
///
///     var options = TaskOptions(name: "sst2")
///     options.dataDir = "data/SST-2"
///     let data = try TaskData(options)
///     let train = try data.load(.train, toTrain: true)
public struct TaskData: Sendable {
  /// The task.
  public let task: Task
  /// The section `task` of the config, with what the data decided where it says nothing.
  public let options: TaskOptions
  private let reader: TaskReader
  private let heldOut: HeldOut?

  /// Checks the options, and finds the labels: those of one's own tables in all training files, unless `knownLabels`,
  /// those of a saved head, are given. A task with labels of its own takes their order from the head. `seed` decides
  /// which examples `validation_split` holds back; `metrics` are those that the options may name.
  public init(
    _ task: Task, _ options: TaskOptions, modelDirectory: String? = nil, knownLabels: LabelSpace? = nil, seed: Int = 42,
    metrics: [Metric] = Metric.all
  ) throws {
    self.task = task
    heldOut = options.validationSplit.map { HeldOut(share: $0, seed: UInt64(truncatingIfNeeded: seed)) }
    var problems: [TaskError] = []
    for (key, limit) in [("max_train_samples", options.maxTrainSamples), ("max_eval_samples", options.maxEvalSamples)] {
      if let limit, limit < 1 { problems.append(.badOption(key: key, problem: "must be 1 or more, found \(limit)")) }
    }
    for (option, what) in [
      (TaskOption.textColumns, "columns"), (.labelColumn, "columns"), (.hasHeader, "columns"),
      (.fileFormat, "a format"),
      (.delimiter, "a format"), (.labelNames, "labels"), (.validationSplit, "files to validate on"),
      (.problemType, "labels"), (.labelSeparator, "labels"), (.classWeights, "a loss"), (.metrics, "metrics"),
    ] where option.isGiven(options) && !task.options.contains(option) {
      problems.append(.badOption(key: option.rawValue, problem: "task \(task.name) has \(what) of its own"))
    }
    if options.validationSplit != nil, options.validationFile != nil {
      problems.append(.badOption(key: "validation_split", problem: "cannot go with validation_file"))
    }
    try problems.throwIfAny()
    reader = try task.open(
      TaskOpening(
        task: task, options: options, modelDirectory: modelDirectory, knownLabels: knownLabels, metrics: metrics))
    self.options = reader.options ?? options
  }

  /// The task of `tasks` that the options name.
  public init(_ options: TaskOptions, among tasks: [Task] = Task.all, knownLabels: LabelSpace? = nil) throws {
    try self.init(tasks.named(options.name), options, knownLabels: knownLabels)
  }

  /// The name in a config.
  public var name: String { task.name }

  /// The labels in the order of the head's outputs; nil without a head.
  public var labels: LabelSpace? { reader.labels }

  /// Outputs of the head; nil where a language model is trained.
  public var outputs: Int? {
    switch objective.modelUse {
    case .classifier(let outputs), .tokenClassifier(let outputs): outputs
    case .languageModel: nil
    }
  }

  /// What a model is trained for.
  public var objective: any Objective { reader.objective }

  /// What an evaluation reports, the main metric first, the loss last.
  public var metrics: [Metric] { objective.metrics }

  /// How a text becomes what a language model continues.
  public var prompts: PromptFormat { reader.prompts }

  /// Whether examples are pairs of texts.
  public var isPair: Bool { reader.isPair }

  /// The files of `split`, or its directory. Throws where the task has none.
  public func files(_ split: Split) throws -> [String] {
    try task.paths(heldOut != nil && split == .validation ? .train : split, options)
  }

  /// The examples of `split`: the first `max_*_samples`, or all. The whole file is checked either way.
  ///
  /// Labels are required in `train` and the validation splits; in `test` they are read where the file has them.
  public func load(_ split: Split, toTrain: Bool = false) throws -> SplitData {
    try reader.read(request(split, toTrain: toTrain))
  }

  /// Texts to predict labels for; nil where the task has nothing to predict.
  public func texts(_ input: PredictionInput) throws -> SplitData? { try reader.predict?(input) }

  /// The prompts of `split` with every text that would be right; nil where no texts are scored.
  public func references(_ split: Split) throws -> PromptedDataset? {
    try reader.references?(request(split, toTrain: false))
  }

  /// Whether the task predicts labels or choices.
  public var predictsLabels: Bool { reader.predict != nil }

  private func request(_ split: Split, toTrain: Bool) throws -> SplitRequest {
    SplitRequest(
      split: split, paths: try files(split), limit: options.limit(split) ?? .max, toTrain: toTrain,
      heldOut: [.train, .validation].contains(split) ? heldOut : nil)
  }
}

/// What a task gets when a run opens it.
public struct TaskOpening: Sendable {
  /// The task.
  public let task: Task
  /// The section `task` of the config.
  public let options: TaskOptions
  /// The model's directory, where there is one.
  public let modelDirectory: String?
  /// The labels of a saved head.
  public let knownLabels: LabelSpace?
  /// The metrics that the options may name.
  public let metrics: [Metric]

  /// `own`, or the labels of a saved head, if they are the same in another order. Throws where they are not.
  public func ordered(_ own: LabelSpace) throws -> LabelSpace {
    guard let knownLabels else { return own }
    guard knownLabels.hasSameLabels(as: own) else {
      throw TaskError.otherLabels(task: task.name, given: knownLabels, expected: own)
    }
    return knownLabels
  }

  /// The files of `split`, or its directory. Throws where there are none.
  public func files(_ split: Split) throws -> [String] { try task.paths(split, options) }
}

/// An opened task: its labels are known, and its files can be read.
public struct TaskReader: Sendable {
  /// The labels in the order of the head's outputs; nil without a head.
  public let labels: LabelSpace?
  /// What a model is trained for.
  public let objective: any Objective
  /// Reads a split.
  public let read: @Sendable (SplitRequest) throws -> SplitData
  /// Reads texts to predict labels for; nil where a task has nothing to predict.
  public let predict: (@Sendable (PredictionInput) throws -> SplitData)?
  /// Reads prompts with the texts that would be right, where texts are generated to be scored.
  public var references: (@Sendable (SplitRequest) throws -> PromptedDataset)?
  /// How a text becomes what a language model continues.
  public var prompts = PromptFormat.plain
  /// The section `task` with what the data decided where it says nothing; nil: nothing was.
  public var options: TaskOptions?
  /// Whether examples are pairs of texts.
  public var isPair = false

  /// A reader of its parts.
  public init(
    labels: LabelSpace?, objective: any Objective, read: @escaping @Sendable (SplitRequest) throws -> SplitData,
    predict: (@Sendable (PredictionInput) throws -> SplitData)? = nil
  ) {
    (self.labels, self.objective, self.read, self.predict) = (labels, objective, read, predict)
  }
}

/// Which split to read, and how much of it.
public struct SplitRequest: Sendable {
  /// The split.
  public let split: Split
  /// Its files in the order in which they are read, or its directory.
  public let paths: [String]
  /// Use only the first examples; `.max`: all.
  public let limit: Int
  /// Whether to train on it.
  public let toTrain: Bool
  /// Of one's own training files, what is held back to validate on.
  let heldOut: HeldOut?
}

/// The examples of one split, read and checked, not yet tokenized.
public struct SplitData: Sendable {
  /// Texts with their labels, in file order; empty for language models.
  public let examples: [Example]
  /// Where they come from.
  public let files: [String]
  /// Rows that were left out: the broken lines of QQP's official training file. They are always shown.
  public let skipped: [TaskError]
  /// Sentences whose words are to be tagged, in file order.
  public private(set) var sentences: [TaggedSentence] = []
  /// Other notes for the user.
  public let notes: [String]
  /// How predictions are named, where there are some.
  public let answers: LabelSpace?
  private let encode: @Sendable (TextEncoder) throws -> EncodedDataset

  /// Texts with labels.
  public init(
    _ examples: some Sequence<Example>, files: [String], labels: LabelSpace?, skipped: [TaskError] = [],
    notes: [String] = []
  ) {
    let examples = Array(examples)
    (self.examples, self.files, self.skipped, self.notes, answers) = (examples, files, skipped, notes, labels)
    encode = { EncodedDataset(examples, encoder: $0) }
  }

  /// What a language model reads. How many examples that makes is known only once it is tokenized.
  public init(
    files: [String], answers: LabelSpace? = nil, encode: @escaping @Sendable (TextEncoder) throws -> EncodedDataset
  ) {
    (self.files, self.answers, self.encode) = (files, answers, encode)
    (examples, skipped, notes) = ([], [], [])
  }

  /// Sentences whose words have tags. With `inPieces`, one with too many tokens becomes several items, so that every word
  /// is predicted; otherwise its last words are left out.
  init(
    _ sentences: [TaggedSentence], files: [String], labels: LabelSpace, notices: [String] = [], inPieces: Bool = false
  ) {
    self.init(files: files, answers: labels) { encoder in
      var data = SentenceEncoding(encoder: encoder, inPieces: inPieces).items(sentences, files: files)
      data.leftOut = notices + data.leftOut
      return data
    }
    self.sentences = sentences
  }

  /// The examples as tokens, and what was left out.
  public func encoded(_ encoder: TextEncoder) throws -> EncodedDataset {
    var data = try encode(encoder)
    data.leftOut += skipped.map { "left out: \($0)" } + notes
    return data
  }
}

/// How texts and conversations become the tokens that a language model continues.
public struct PromptFormat: Sendable {
  /// What turns prompts into ids with the model's tokenizer.
  public let encoder: @Sendable (TextEncoder) throws -> PromptEncoder

  /// A format; `encoder` is made once for any number of prompts.
  public init(_ encoder: @escaping @Sendable (TextEncoder) throws -> PromptEncoder) { self.encoder = encoder }

  /// A text as it is.
  public static let plain = PromptFormat { encoder in
    PromptEncoder(ids: { try encoder.prompt($0, ends: false) })
  }
}

/// Turns the prompts of a format into ids.
public struct PromptEncoder: Sendable {
  /// The ids of a text's prompt.
  public let ids: @Sendable (String) throws -> [Int32]
  /// The ids of a conversation that the assistant is to go on with; nil where the format knows no turns.
  public let conversation: (@Sendable (Conversation) throws -> [Int32])?
  /// The tokens that end an answer, beside the model's own end of text.
  public let ends: [Int32]

  /// An encoder of its parts.
  public init(
    ids: @escaping @Sendable (String) throws -> [Int32],
    conversation: (@Sendable (Conversation) throws -> [Int32])? = nil, ends: [Int32] = []
  ) {
    (self.ids, self.conversation, self.ends) = (ids, conversation, ends)
  }
}
