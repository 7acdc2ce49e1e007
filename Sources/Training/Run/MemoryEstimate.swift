import Adapters
import Checkpoints
import Configuration
import Kernels
import Models
import Tasks

/// About how many bytes a run holds at its peak.
public struct MemoryEstimate: Sendable, Equatable {
  /// The frozen weights: mapped from their files, or the copies that bfloat16 makes of them.
  public let weights: Int
  /// Values, gradients and two moments of everything that trains.
  public var trainable: Int { state + storages(workers) * storage }
  /// Activations of all workers.
  public var activations: Int { workers * activation }
  /// The program itself, its libraries, the tokenizer and the data.
  public let program: Int
  /// Workers that compute gradients at once.
  public private(set) var workers: Int

  /// The weights while they are loaded: every number is looked at once.
  private let loading: Int
  /// The part of the weights that is mapped: the processes of a host share it.
  private let mapped: Int
  /// Values, the sum of gradients and two moments.
  private let state: Int
  /// The gradients of one shard.
  private let storage: Int
  /// Activations of a worker.
  private let activation: Int
  /// The most shards of a step on this rank.
  private let shards: Int

  /// All together.
  public var total: Int { max(loading, weights + trainable + activations) + program }

  /// The estimate for training on `items` in the order of the first epoch or, if they are not known, on full batches of the
  /// longest examples. `outputs` are those of the head, nil without one. The run has `ranks` processes.
  init(
    _ run: PreparedRun, outputs: Int?, items: [EncodedDataset.Item]? = nil, threads: Int? = nil, ranks: Int = 1
  ) throws {
    let epoch = try EpochShards(run, outputs: outputs, items: items)
    self.init(run, outputs: outputs, epoch: epoch, threads: threads, ranks: ranks)
  }

  /// The same, for steps that have been looked at.
  init(_ run: PreparedRun, outputs: Int?, epoch: EpochShards, threads: Int? = nil, ranks: Int = 1) {
    let stored = StoredWeights(run, try? run.geometry.checkpoint(run.modelDirectory))
    (weights, mapped, loading) = (stored.mapped + stored.copied, stored.mapped, stored.loaded)
    let head = run.head(outputs: outputs), state = TrainableState(table: run.table, head: head)
    let trained = run.table.parameterCount + head.map(\.count).reduce(0, +)
    shards = (epoch.most + ranks - 1) / ranks
    workers = min(threads ?? run.pool.threads, shards)
    // Products of A and B have values and gradients, and no moments.
    self.state = 4 * (2 * state.storageCount + 2 * trained)
    storage = 4 * state.storageCount
    activation = epoch.largest.map { $0.work(run, state).bytes }.max() ?? 0
    program =
      48 << 20 + Self.itemBytes * epoch.examples + Self.tokenBytes * epoch.exampleTokens
      + Self.tokenizerBytes * run.model.vocabularySize
  }

  /// The same for a run whose inputs have not been read.
  public init(unread run: PreparedRun, threads: Int) throws {
    try self.init(run, outputs: run.taskKind.isLanguageModelling ? nil : 2, threads: threads)
  }

  /// Bytes of a host with `ranks` such processes, which share what is mapped from files.
  public func host(ranks: Int) -> Int {
    max(loading, mapped + ranks * (weights - mapped + trainable + activations)) + ranks * program
  }

  /// Numbers whose gradient storages take too little memory to look at: 16 MB each.
  static let fewNumbers = 4 << 20

  /// The same run with so few workers that it fits into `available` bytes, shared by `ranksOfHost` processes, and a
  /// notice if they are fewer. With one worker, if nothing fits. What is mapped is not counted: the system can give it
  /// up.
  func limited(to available: Int?, ranksOfHost: Int) -> (estimate: MemoryEstimate, notice: String?) {
    // What few numbers take is not worth a look.
    guard let available, storage > 4 * Self.fewNumbers else { return (self, nil) }
    var estimate = self
    while estimate.workers > 1, estimate.own > available / ranksOfHost { estimate.workers -= 1 }
    guard estimate.workers < workers else { return (self, nil) }
    return (
      estimate,
      "computes gradients on \(estimate.workers) of \(workers) threads: \(workers) would take about \(own / 1_000_000) MB, "
        + "and \(available / ranksOfHost / 1_000_000) MB of memory are available"
    )
  }

  /// What belongs to this process alone.
  private var own: Int { weights - mapped + trainable + activations + program }

  /// Storages for gradients that are in use at once.
  private func storages(_ workers: Int) -> Int {
    min(shards, ShardTree(shards: shards).storages(workers: workers))
  }

  /// What an example takes besides its tokens, and each of these, with the room that arrays grow into.
  private static let itemBytes = 220
  private static let tokenBytes = 8

  /// What a piece of a vocabulary takes with its place in the tables.
  private static let tokenizerBytes = 700
}

/// The bytes of a model's weights.
private struct StoredWeights {
  /// Used where they are in their files.
  var mapped: Int
  /// Copied: rounded to bfloat16.
  var copied = 0
  /// Looked at while they are loaded.
  var loaded: Int

  init(_ run: PreparedRun, _ directory: WeightFiles?) {
    let precision = run.config.training.precision
    guard let directory else {
      mapped = precision.activations.byteCount * run.geometry.totalParameters(labels: nil)
      loaded = mapped
      return
    }
    loaded = directory.byteCount
    mapped = loaded
    let holding = run.config.training.weights ?? .resident
    addHead(run, directory, holding)
    guard precision == .int8 || holding != .stored else { return }
    // Matrices of linear maps are held in eight bits, or as products want them, or as copies where products cannot read them
    // as they are stored; the rest stays mapped.
    let bytes =
      precision == .int8
      ? run.geometry.int8BytesPerWeight
      : run.geometry.packs(precision.activations) ? 2 * precision.activations.byteCount : nil
    for site in run.geometry.sites where site.slice == nil {
      guard let info = directory.info(site.path + ".weight"), bytes != nil || info.needsCopy(precision) else {
        continue
      }
      mapped -= info.byteCount
      copied += (bytes ?? precision.activations.byteCount) * info.shape.reduce(1, *)
    }
  }

  /// A language model's head: a copy and both layouts for products, beside the embedding in the file, of which a run reads few
  /// rows.
  private mutating func addHead(_ run: PreparedRun, _ directory: WeightFiles, _ holding: WeightHolding) {
    guard holding == .resident, run.taskKind.isLanguageModelling else { return }
    let precision = run.config.training.precision
    let name = run.model.tieWordEmbeddings ? run.geometry.tokenEmbedding : Architecture.languageModelHead
    guard let info = directory.info(name) else { return }
    let bytes = precision.activations.byteCount * info.shape.reduce(1, *), isCopied = info.needsCopy(precision)
    let isRead = isCopied || info.type == (precision == .float32 ? .float32 : .bfloat16)
    let isPacked = isRead && run.geometry.packsHead(precision.activations)
    if isCopied || isPacked { mapped -= info.byteCount }
    copied += (isCopied ? bytes : 0) + (isPacked ? 2 * bytes : 0)
  }
}

extension WeightFiles.Info {
  /// Whether products in `precision` read a copy.
  fileprivate func needsCopy(_ precision: RunPrecision) -> Bool {
    precision != .float32 ? type != .bfloat16 : type?.isQuantised ?? false
  }
}
