import Adapters
import Checkpoints
import Cluster
import Configuration
import Diagnostics
import Hub
import Kernels
import Metrics
import Models
import Tasks
import Tokenizers

/// A run's model, adapter, task and tokenizer, prepared from its config and checked. `train` and its dry run, `eval`,
/// `predict`, `generate` and the planning of `sweep` all begin with it.
public struct PreparedRun: Sendable {
  /// What is read beside `config.json`.
  public enum Inputs: Sendable {
    /// Everything; what is missing is an error.
    case required
    /// What is there; what is missing is listed.
    case listed
    /// The data and the tokenizer; what is missing of them is an error. Weights count only where they are there, and only
    /// for a stored head, which orders the labels.
    case text
    /// Nothing: sizes follow from `config.json` alone.
    case none
  }

  /// The config, with what the model and the data decided where it says nothing: the length of sequences, the template.
  public private(set) var config: RunConfig
  /// The kind of task that it names.
  public let taskKind: Task
  /// The directory that the config's `model` means: itself, or the cache's copy of a model on the Hub.
  public let modelDirectory: String
  /// The model's modules, linear maps and sizes.
  public let geometry: ModelGeometry
  /// The method that adapts it.
  public let method: AdapterMethod
  /// Which tensors every adapted map starts with.
  public let table: SiteTable
  /// The workers.
  public let pool: WorkerPool
  /// The run's counted randomness.
  public let philox: Philox
  /// Inputs that are missing; none unless they are listed.
  private(set) var missing: MissingInputs
  /// The processes that share the run.
  public let cluster: Cluster
  private let openedTask: Result<TaskData, any Error>
  private var loadedModel: Result<LoadedModel, any Error>
  /// The column factors that the model's linear maps are rounded with.
  public private(set) var int8Factors: Int8Factors?
  private let pendingTokenizer: Pending<Tokenizer>?

  /// Checks the config against the model, and reads its inputs. `knownLabels` are those of a saved head, and `int8` the
  /// column factors of a run in int8; without them the model stays unrounded until `rounded(with:)`. For a run that `trains`
  /// it is worth while to lay out the weights anew.
  public init(
    _ config: RunConfig, threads: Int = 1, inputs: Inputs = .required, knownLabels: LabelSpace? = nil,
    int8: Int8Factors? = nil, trains: Bool = false, cluster: Cluster = .alone
  ) throws {
    self.cluster = cluster
    let kind = try config.knownTask()
    if config.training.precision == .bfloat16, !Products.hasBFloat16 { throw RunError.noBFloat16 }
    if config.training.precision == .int8, !Int8Products.isAvailable { throw RunError.noInt8 }
    int8Factors = int8
    let directory = try Hub().directory(of: config.model, files: .config)
    let model = try ModelConfig(directory: directory, architectures: config.catalog.architectures)
    let geometry = ModelGeometry(model, head: kind.headKind)
    var config = config
    config.task.maxSeqLength = config.task.maxSeqLength ?? kind.usualLength(model)
    config.training.weights =
      config.training.weights ?? Self.holding(directory, geometry, config.training.precision.activations)
    (self.config, taskKind, modelDirectory, self.geometry) = (config, kind, directory, geometry)
    try Self.requireFit(config, kind, model)
    if config.training.precision == .int8 { try geometry.requireInt8Sums() }
    method = try config.adapter.method(among: config.catalog.methods)
    let plain = try config.adapter.placement.table(geometry, method: method)
    table = try method.procedure?.startTable(config.adapter.methodOptions, plain) ?? plain
    try table.requireRoom()
    _ = try method.procedure?.finalTable(config.adapter.methodOptions, table)
    pool = WorkerPool(threads: threads)
    philox = Philox(seed: UInt64(truncatingIfNeeded: config.training.seed))
    var missing = MissingInputs(areListed: inputs == .listed)
    guard inputs != .none else {
      (openedTask, loadedModel, pendingTokenizer, self.missing) = (
        .failure(NotRead()), .failure(NotRead()), nil, missing
      )
      return
    }
    // Reading a vocabulary takes about as long as reading a small model or the rows of a file.
    pendingTokenizer = Pending {
      try Tokenizer(
        modelDirectory: directory, family: model.architecture, addsPrefixSpace: kind.headKind == .tokens)
    }
    func open(_ labels: LabelSpace?) throws -> TaskData {
      try TaskData(
        kind, config.task, modelDirectory: directory, knownLabels: labels, seed: config.training.seed,
        metrics: config.catalog.metrics)
    }
    var task = try missing.find { try open(knownLabels) }
    if inputs == .text, kind.isLanguageModelling {
      loadedModel = .failure(NotRead())
    } else {
      var weights = MissingInputs(areListed: inputs != .required)
      loadedModel = try weights.find { [philox] in
        try LoadedModel(
          directory, model, outputs: task.value.map(\.outputs) ?? (kind.isLanguageModelling ? nil : 2),
          head: kind.headKind, philox: philox, precision: config.training.precision,
          holding: config.training.weights ?? .resident, int8: int8, packs: trains)
      }
      if inputs == .listed { missing.add(weights) }
    }
    // A stored head's outputs have the order of the checkpoint's own id2label (MNLI's differs between checkpoints).
    let hasStoredHead = knownLabels == nil && loadedModel.value?.storedHead != nil
    if hasStoredHead, let problem = model.labelProblem { throw problem }
    if hasStoredHead, let labels = task.value?.labels,
      let order = labels.inOrder(of: model.labels ?? []), order != labels
    {
      task = .success(try open(order))
    }
    if let options = task.value?.options { self.config.task = options }
    (openedTask, self.missing) = (task, missing)
    _ = try missing.find { try tokenizer() }
    self.missing = missing
  }

  private struct NotRead: Error {}

  /// How a model's matrices are held where the config does not say. It depends on the machine's memory, not on what is free
  /// of it, so that a run goes on as it began.
  /// Nil where there is no choice to record.
  private static func holding(_ model: String, _ geometry: ModelGeometry, _ precision: Precision) -> WeightHolding? {
    guard (try? GGUFFile.path(of: model)) ?? nil != nil, let memory = SystemFacts().memory else { return nil }
    return 2 * precision.byteCount * geometry.totalParameters(labels: nil) <= memory ? .resident : .stored
  }

  private static func requireFit(_ config: RunConfig, _ task: Task, _ model: ModelConfig) throws {
    let length = config.task.maxSeqLength ?? task.usualLength(model)
    if task.isLanguageModelling {
      guard model.architecture.isDecoder else {
        throw ModelError.notADecoder(model, among: config.catalog.architectures, path: config.model)
      }
      // A token to see and one to predict.
      if length < 2 { throw RunError.noRoomForText(maxLength: length, special: 0) }
    }
    if task.headKind == .tokens, model.architecture.tokenHead == nil {
      throw ModelError.noTokenClassifier(model, among: config.catalog.architectures, path: config.model)
    }
    let longest = length * task.textsPerExample
    guard longest <= model.maximumSequenceLength else {
      throw ModelError.tooLong(tokens: longest, limit: model.maximumSequenceLength, path: config.model)
    }
  }

  // MARK: - Inputs

  /// The task's files, labels and objective. Throws if they are missing.
  public func task() throws -> TaskData { try openedTask.get() }

  /// The frozen model. Throws if its weights are missing.
  public func network() throws -> LoadedModel { try loadedModel.get() }

  /// The most tokens of an example.
  public var maxLength: Int { config.task.maxSeqLength ?? taskKind.usualLength(model) }

  /// The sizes of the model.
  public var model: ModelConfig { geometry.config }

  /// Converts text to ids. Throws if it is missing, or if `max_seq_length` leaves no room beside its special tokens.
  public func tokenizer() throws -> Tokenizer {
    guard let pendingTokenizer else { throw NotRead() }
    let tokenizer = try pendingTokenizer.value()
    let special = tokenizer.specialTokenCount(isPair: openedTask.value?.isPair ?? false)
    guard maxLength > special else { throw RunError.noRoomForText(maxLength: maxLength, special: special) }
    return tokenizer
  }

  /// Converts texts to the ids that the model reads.
  public func encoder() throws -> TextEncoder {
    TextEncoder(
      try tokenizer(), maxLength: maxLength, model: model, directory: modelDirectory, pool: pool)
  }

  /// A tokenized split, to be trained on or scored, its ids checked against the model's vocabulary.
  public func load(_ split: Split, toTrain: Bool = false) throws -> EncodedDataset {
    try encode(task().load(split, toTrain: toTrain))
  }

  /// Tokenized examples, their ids checked against the model's vocabulary.
  public func encode(_ data: SplitData) throws -> EncodedDataset {
    let data = try data.encoded(encoder())
    try data.requireFit(model, path: modelDirectory)
    return data
  }

  /// The validation splits that have a file, and notes on those that do not. Throws if none has one, or if a file that the
  /// config names is missing.
  public func evaluationSplits() throws -> (present: [Split], notices: [String]) {
    let task = try task()
    var present: [Split] = [], absent: [any UserFacingError] = []
    for split in [Split.validation, .validationMismatched] where taskKind.splits.contains(split) {
      do {
        _ = try task.files(split)
        present.append(split)
      } catch let error as TaskError {
        if split == .validation, config.task.validationFile != nil { throw error }
        absent.append(error)
      }
    }
    if present.isEmpty {
      if let missing = absent.first, missing.exitStatus == .missingInput { throw missing }
      throw RunError.nothingToEvaluate(task: task.name)
    }
    return (present, absent.map { "not scored: \($0)" })
  }

  // MARK: - What runs

  /// s in W x + s · B A x, of maps that have none of their own.
  public var scale: Double { table.scale }

  /// The engine that runs the model with adapters scaled by `scale`, and computes gradients on at most `workers` threads.
  ///
  /// The objective is that of training on `items`, where they are given.
  public func engine(
    scale: Double, workers: Int = .max, toTrainOn items: [EncodedDataset.Item]? = nil
  ) throws -> Engine {
    let training = config.training, objective = try task().objective
    return Engine(
      try items.map(objective.fitted) ?? objective, model: try network().objectiveModel, sites: geometry.sites,
      scale: scale,
      loraDropout: config.adapter.loraDropout, labelSmoothing: training.labelSmoothingFactor, pool: pool,
      precision: enginePrecision, recomputes: training.gradientCheckpointing,
      shardTokens: training.shardTokens, cluster: cluster, workers: workers)
  }

  /// What the engine computes in: a model that is to be rounded and is not yet runs as it is stored.
  private var enginePrecision: Precision {
    config.training.precision == .int8 && int8Factors == nil ? .float32 : config.training.precision.activations
  }

  /// The same run with the model's linear maps rounded to eight bits.
  func rounded(with factors: Int8Factors) throws -> PreparedRun {
    var run = self
    run.int8Factors = factors
    run.loadedModel = .success(
      try LoadedModel(
        modelDirectory, model, outputs: try task().outputs, head: taskKind.headKind, philox: philox,
        precision: config.training.precision, holding: config.training.weights ?? .resident, int8: factors))
    return run
  }

  /// The head for `outputs`; a language model trains none.
  public func head(outputs: Int?) -> [HeadParameter] {
    outputs.map { HeadParameter.all(config: model, labels: $0, kind: geometry.head) } ?? []
  }

  func head() throws -> [HeadParameter] { head(outputs: try task().outputs) }
}
