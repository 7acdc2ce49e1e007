import Adapters
import Checkpoints
import Configuration
import Foundation
import Hub
import Kernels
import Models
import Tasks

/// An adapter and its model: what `export` and `merge` read. Needs neither data nor a tokenizer.
public struct AdaptedModel: Sendable {
  /// The model's directory.
  public let directory: String
  /// What the config or the command line calls the model: its directory, or its name on the Hub.
  public let modelName: String
  /// The revision of a model on the Hub, if one was given.
  public let revision: String?
  /// The adapter's directory.
  public let adapterDirectory: String
  /// Sizes and maps of the model.
  public let geometry: ModelGeometry
  /// The seed of the adapter's run, if it has one.
  public let seed: Int?
  let source: AdapterSource
  /// Every adapted map with its own A and B, and the head.
  public var adapter: ExpandedAdapter { source.expanded }
  /// A native adapter's own form; nil for a PEFT adapter.
  public var native: StoredAdapter? { source.native }

  /// The run in `run`, which was trained as `config` says.
  public init(run: RunDirectory, config: RunConfig) throws {
    try self.init(
      model: config.model, adapter: run.adapterPath, seed: config.training.seed, catalog: config.catalog)
  }

  /// The native or PEFT adapter in the directory `adapter`, on the model `model`; `catalog` has their family and method.
  public init(model: String, adapter path: String, seed: Int? = nil, catalog: Catalog = .standard) throws {
    modelName = model
    let base = Hub.id(model)
    revision = base?.revision
    directory = try Hub().directory(of: model, files: .config)
    adapterDirectory = path
    self.seed = seed
    geometry = ModelGeometry(
      try ModelConfig(directory: directory, architectures: catalog.architectures),
      head: TaskType.head(try AdapterFile.taskType(path)))
    var source = try AdapterSource.read(
      path, geometry, modelDirectory: directory, methods: catalog.methods,
      philox: Philox(seed: UInt64(truncatingIfNeeded: seed ?? 0)))
    // Python names a base model without the revision.
    if let base { source.native?.metadata.baseModel = base.name }
    self.source = source
  }

  /// What the model is for with this adapter.
  public var task: FoldedCheckpoint.Purpose {
    if let native, native.metadata.taskType == TaskType.classifier(geometry.head) {
      return switch LabelSpace(native.metadata) {
      case .classes(let names): .classifier(.classes(names))
      case .labelSets(let names): .classifier(.labelSets(names))
      case .regression: .classifier(.regression)
      }
    }
    let output = HeadParameter.all(config: geometry.config, labels: 1, kind: geometry.head).first(where: \.isOutput)
    if let head = output.flatMap({ adapter.head[$0.name] }) { return .classifier(.unnamed(head.shape.first ?? 0)) }
    return geometry.config.architecture.isDecoder ? .languageModel : .asStored
  }

  /// The tensors of optional parts (BERT's pooler) that `weights` lacks, as the run drew them.
  public func drawnParts(for weights: WeightFiles) -> [String: HeadTensor] {
    guard let seed, case .classifier = task else { return [:] }
    let philox = Philox(seed: UInt64(truncatingIfNeeded: seed))
    let drawn = geometry.missingParts(of: weights).flatMap { $0.fresh(philox: philox, config: geometry.config) }
    return Dictionary(drawn.map { ($0.name, HeadTensor(shape: $0.tensor.shape, values: $0.tensor.floats())) }) {
      first, _ in first
    }
  }
}
