import Adapters
import Autograd
import Checkpoints
import Configuration
import Diagnostics
import Kernels
import Metrics
import Models
import Tasks
import Tokenizers

/// A plan with its model and labels loaded and checked, its tokenizer on the way: ready to train, score or predict.
public struct LoadedRun: Sendable {
  /// What the config means.
  public let plan: RunPlan
  /// The task's files and labels.
  public let task: RunTask
  private let pendingTokenizer: Pending<Tokenizer>
  /// The frozen model.
  public let model: LoadedModel
  /// The workers.
  public let pool: WorkerPool
  /// The run's counted randomness.
  public let philox: Philox

  /// Loads everything that `plan` names. `knownLabels` are those of a saved head.
  public init(_ plan: RunPlan, knownLabels: LabelSpace? = nil, threads: Int) throws {
    self.plan = plan
    pool = WorkerPool(threads: threads)
    philox = Philox(seed: UInt64(truncatingIfNeeded: plan.config.training.seed))
    // To read a vocabulary takes about as long as to read a small model or the rows of a file.
    pendingTokenizer = Pending {
      try Tokenizer(modelDirectory: plan.modelDirectory, modelType: plan.model.modelType)
    }
    let task = try RunTask(plan.config.task, model: plan.modelDirectory, knownLabels: knownLabels)
    guard let labels = task.labels else {
      model = .language(
        try LanguageModel(
          path: plan.modelDirectory, config: plan.model, precision: plan.config.training.precision))
      self.task = task
      return
    }
    model = .classifier(
      try LoadedClassifier(
        path: plan.modelDirectory, config: plan.model, labels: labels.outputs, philox: philox,
        precision: plan.config.training.precision))
    // A stored head's outputs have the order of the checkpoint's own id2label (MNLI's differs between checkpoints).
    if knownLabels == nil, model.storedHead != nil,
      let order = labels.inOrder(of: plan.model.labels ?? []), order != labels
    {
      self.task = try RunTask(plan.config.task, model: plan.modelDirectory, knownLabels: order)
    } else {
      self.task = task
    }
  }

  /// Text to ids. Throws where it can't be read, and where `max_seq_length` leaves no room beside its special tokens.
  public func tokenizer() throws -> Tokenizer {
    let tokenizer = try pendingTokenizer.value()
    let special = tokenizer.specialTokenCount(isPair: task.classification?.definition.isPair ?? false)
    // A language model needs a token to see and one to predict.
    let least = task.classification == nil ? max(1, special) : special
    guard plan.config.task.maxSeqLength > least else {
      throw RunError.noRoomForText(maxLength: plan.config.task.maxSeqLength, special: special)
    }
    return tokenizer
  }

  /// The tokenizer of a language model.
  func languageTokens() throws -> LanguageTokens {
    try LanguageTokens(tokenizer(), plan.model, path: plan.modelDirectory)
  }

  /// A tokenized split, to be trained on or scored, its ids checked against the model's vocabulary.
  public func load(_ split: Split, toTrain: Bool = false) throws -> EncodedDataset {
    switch task {
    case .classification(let task):
      let dataset = try task.load(split)
      var data = try encode(dataset.examples)
      data.leftOut += dataset.skipped.map { "left out: \($0)" }
      return data
    case .language(let task):
      let data = try task.load(split, languageTokens(), toTrain: toTrain, pool: pool)
      for item in data.items { try plan.model.check(ids: item.ids, path: plan.modelDirectory) }
      return data
    }
  }

  /// Tokenized examples, their ids checked against the model's vocabulary.
  public func encode(_ examples: [Example]) throws -> EncodedDataset {
    let data = try EncodedDataset(
      examples, tokenizer: tokenizer(), maxLength: plan.config.task.maxSeqLength, emptyText: plan.model.emptyText,
      pool: pool)
    try data.requireFit(plan.model, path: plan.modelDirectory)
    return data
  }

  /// The splits that are scored while training.
  public func evaluationSets() throws -> [(split: Split, data: EncodedDataset)] {
    try EvaluationSplits(task, strategy: plan.config.training.evalStrategy).present.map { ($0, try load($0)) }
  }

  /// The engine that runs the model with adapters scaled by `scale`.
  public func engine(scale: Double) -> any TrainingEngine {
    let dropout = plan.config.adapter.loraDropout, precision = plan.config.training.precision
    let recomputes = plan.config.training.gradientCheckpointing
    switch model {
    case .classifier(let classifier):
      return ClassifierEngine(
        model: classifier.model, sites: plan.sites, scale: scale, loraDropout: dropout, pool: pool,
        precision: precision, recomputes: recomputes)
    case .language(let model):
      return LanguageEngine(
        model: model, sites: plan.sites, scale: scale, loraDropout: dropout,
        labelSmoothing: plan.config.training.labelSmoothingFactor, pool: pool, precision: precision,
        recomputes: recomputes)
    }
  }

  /// A fresh start: the adapter drawn from the seed (or `init_from`), the head as stored or drawn. What a person should
  /// know about it is added to `notices`.
  public func freshState(notices: inout [String]) throws -> TrainableState {
    var state = TrainableState(table: plan.table, head: plan.head(task.labels))
    state.initializeAdapter(philox: philox)
    for (index, parameter) in state.head.enumerated() {
      state[head: index] =
        model.storedHead?[index]
        ?? parameter.freshValues(philox: philox, deviation: Double(plan.model.initializerRange))
    }
    if let directory = plan.config.adapter.initFrom { try initialize(&state, from: directory, &notices) }
    return state
  }

  /// Takes the tensors of a native or PEFT adapter directory. A head of another shape (another task's) is left out.
  private func initialize(
    _ state: inout TrainableState, from directory: String, _ notices: inout [String]
  ) throws {
    let source = try AdapterSource.read(directory, plan: plan)
    for (key, values) in try source.expanded.initialise(state.table) { state[key] = values }
    if let scale = source.expanded.entries.first?.scale, scale != plan.scale {
      notices.append(
        "adapter.init_from: \(directory) was trained with the scale \(scale), this run's is \(plan.scale)")
    }
    // The same classes in another order would train against swapped outputs.
    let names = task.labels?.names ?? []
    let hasOtherOrder = source.labels.map { $0 != task.labels && $0.inOrder(of: names) != nil } ?? false
    for (index, parameter) in state.head.enumerated() {
      if !hasOtherOrder, let stored = source.expanded.head[parameter.name], stored.shape == parameter.shape {
        state[head: index] = stored.values
      } else {
        notices.append(
          "adapter.init_from: \(directory) has no \(parameter.name) for this task's outputs: it starts afresh")
      }
    }
  }

  /// What a finished state is stored as.
  public func stored(_ state: TrainableState) -> StoredAdapter {
    let config = plan.config.adapter
    return StoredAdapter(
      table: state.table, tensors: Dictionary(uniqueKeysWithValues: state.table.tensors.map { ($0, state[$0]) }),
      head: Dictionary(
        uniqueKeysWithValues: state.head.enumerated().map {
          ($1.name, HeadTensor(shape: $1.shape, values: state[head: $0]))
        }),
      metadata: AdapterMetadata(
        baseModel: plan.modelDirectory, modelType: plan.model.modelType,
        taskType: task.labels == nil ? "CAUSAL_LM" : "SEQ_CLS", labels: task.labels?.names ?? [],
        loraAlpha: config.loraAlpha, loraDropout: config.loraDropout,
        useRSLoRA: config.useRSLoRA, targetModules: config.targetModules.names,
        step: state.step))
  }
}

/// An adapter directory of either kind.
public struct AdapterSource: Sendable {
  /// Every adapted map with its own A and B.
  public let expanded: ExpandedAdapter
  /// A native adapter's own form, with its sharing; nil for PEFT's.
  public let native: StoredAdapter?

  /// Reads a native or an HF PEFT adapter directory.
  public static func read(_ directory: String, plan: RunPlan) throws -> AdapterSource {
    if try AdapterFile.isNative(directory) {
      let stored = try AdapterFile.read(directory, sites: plan.sites)
      return AdapterSource(expanded: stored.expanded, native: stored)
    }
    return AdapterSource(expanded: try PEFTAdapter.read(directory, geometry: plan.geometry).expanded, native: nil)
  }

  /// The labels the head was trained for, where they are known.
  public var labels: LabelSpace? { native.flatMap { LabelSpace(names: $0.metadata.labels) } }
}

extension LabelSpace {
  /// Class names in the order of the head's outputs; none for a regression.
  public var names: [String] { if case .classes(let names) = self { names } else { [] } }

  /// These classes in the order in which `others` names them, whatever their case; nil where it names others.
  func inOrder(of others: [String]) -> LabelSpace? {
    guard case .classes(let names) = self, names.count == others.count else { return nil }
    let byName = Dictionary(names.map { ($0.lowercased(), $0) }) { first, _ in first }
    let ordered = others.compactMap { byName[$0.lowercased()] }
    return Set(ordered).count == names.count ? .classes(ordered) : nil
  }

  /// The opposite of `names`.
  init(names: [String]) { self = names.isEmpty ? .regression : .classes(names) }
}

extension ModelConfig {
  /// What stands for a text without a token, where a tokenizer adds none of its own (GPT-2's).
  var emptyText: [Int32] { [Int32(eosTokenID ?? bosTokenID ?? padTokenID ?? 0)] }
}
