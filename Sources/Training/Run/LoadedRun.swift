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
  public let task: TaskData
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
      try Tokenizer(modelDirectory: plan.modelDirectory, modelType: plan.model.family.rawValue)
    }
    let task = try plan.taskData(knownLabels: knownLabels)
    guard case .classifier(let outputs) = task.objective.modelUse else {
      model = .language(
        try LanguageModel(
          path: plan.modelDirectory, config: plan.model, precision: plan.config.training.precision))
      self.task = task
      return
    }
    model = .classifier(
      try LoadedClassifier(
        path: plan.modelDirectory, config: plan.model, labels: outputs, philox: philox,
        precision: plan.config.training.precision))
    // A stored head's outputs have the order of the checkpoint's own id2label (MNLI's differs between checkpoints).
    if knownLabels == nil, model.storedHead != nil, let labels = task.labels,
      let order = labels.inOrder(of: plan.model.labels ?? []), order != labels
    {
      self.task = try plan.taskData(knownLabels: order)
    } else {
      self.task = task
    }
  }

  /// Text to ids. Throws where it can't be read, and where `max_seq_length` leaves no room beside its special tokens.
  public func tokenizer() throws -> Tokenizer {
    let tokenizer = try pendingTokenizer.value()
    let special = tokenizer.specialTokenCount(isPair: task.isPair)
    // A language model needs a token to see and one to predict.
    let least = task.labels == nil ? max(1, special) : special
    guard plan.config.task.maxSeqLength > least else {
      throw RunError.noRoomForText(maxLength: plan.config.task.maxSeqLength, special: special)
    }
    return tokenizer
  }

  /// Texts to the ids that the model reads.
  public func encoder() throws -> TextEncoder { try plan.encoder(tokenizer(), pool: pool) }

  /// A tokenized split, to be trained on or scored, its ids checked against the model's vocabulary.
  public func load(_ split: Split, toTrain: Bool = false) throws -> EncodedDataset {
    try encode(task.load(split, toTrain: toTrain))
  }

  /// Tokenized examples, their ids checked against the model's vocabulary.
  public func encode(_ data: SplitData) throws -> EncodedDataset {
    let data = try data.encoded(encoder())
    try data.requireFit(plan.model, path: plan.modelDirectory)
    return data
  }

  /// The splits that are scored while training.
  public func evaluationSets() throws -> [(split: Split, data: EncodedDataset)] {
    try EvaluationSplits(task, strategy: plan.config.training.evalStrategy).present.map { ($0, try load($0)) }
  }

  /// The engine that runs the model with adapters scaled by `scale`.
  public func engine(scale: Double) -> Engine {
    let training = plan.config.training
    return Engine(
      task.objective, model: model.objectiveModel, sites: plan.sites, scale: scale,
      loraDropout: plan.config.adapter.loraDropout, labelSmoothing: training.labelSmoothingFactor, pool: pool,
      precision: training.precision, recomputes: training.gradientCheckpointing)
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
        baseModel: plan.modelDirectory, modelType: plan.model.family.rawValue,
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
      let stored = try AdapterFile.read(directory)
      return AdapterSource(expanded: stored.expanded, native: stored)
    }
    let geometry = ModelGeometry(plan.model)
    let peft = try PEFTAdapter.read(directory, modelSites: geometry.sites, basePrefix: geometry.basePrefix)
    return AdapterSource(expanded: peft.expanded, native: nil)
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

extension RunPlan {
  /// The task's labels, objective and files. `knownLabels` are those of a saved head.
  func taskData(knownLabels: LabelSpace? = nil) throws -> TaskData {
    try TaskData(task, config.task, modelDirectory: modelDirectory, knownLabels: knownLabels)
  }

  /// Texts to the ids that the model reads.
  func encoder(_ tokenizer: Tokenizer, pool: WorkerPool) -> TextEncoder {
    TextEncoder(
      tokenizer, maxLength: config.task.maxSeqLength, model: model, directory: modelDirectory, pool: pool)
  }
}
