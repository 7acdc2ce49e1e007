import Adapters
import Checkpoints
import Configuration
import Foundation
import Hub
import Kernels
import Models

/// An adapter with the model that it belongs to: what `export` and `merge` read. Neither data nor a tokenizer is needed.
public struct AdaptedModel: Sendable {
  /// The model's directory.
  public let directory: String
  /// What the config or the command line calls the model: its directory, or its name on the Hub.
  public let modelName: String
  /// The revision of a model on the Hub, where one is asked for.
  public let revision: String?
  /// The adapter's directory.
  public let adapterDirectory: String
  /// Sizes and maps of the model.
  public let geometry: ModelGeometry
  /// Every adapted map with its own A and B, and the head.
  public let adapter: ExpandedAdapter
  /// A native adapter's own form; nil for one of PEFT.
  public let native: StoredAdapter?
  /// The seed of the adapter's run, where it has one.
  public let seed: Int?

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
    geometry = ModelGeometry(try ModelConfig(directory: directory, architectures: catalog.architectures))
    if try AdapterFile.isNative(path) {
      let stored = try AdapterFile.read(path, sites: geometry.sites, methods: catalog.methods)
      native = stored.named(base)
      adapter = stored.expanded
    } else {
      native = nil
      adapter = try PEFTAdapter.read(path, geometry: geometry).expanded
    }
  }

  /// What the model is for with this adapter.
  public var task: FoldedCheckpoint.Task {
    if let native, native.metadata.taskType == "SEQ_CLS" {
      return .classifier(native.metadata.labels.isEmpty ? .regression : .classes(native.metadata.labels))
    }
    let output = HeadParameter.all(config: geometry.config, labels: 1).first(where: \.isOutput)
    if let head = output.flatMap({ adapter.head[$0.name] }) { return .classifier(.unnamed(head.shape.first ?? 0)) }
    return geometry.config.architecture.isDecoder ? .languageModel : .asStored
  }

  /// The tensors of optional parts (BERT's pooler) as the run drew them, where the checkpoint in `weights` has none.
  public func drawnParts(for weights: WeightFiles) -> [String: HeadTensor] {
    guard let seed, case .classifier = task else { return [:] }
    let philox = Philox(seed: UInt64(truncatingIfNeeded: seed))
    let drawn = geometry.missingParts(of: weights).flatMap { $0.fresh(philox: philox, config: geometry.config) }
    return Dictionary(drawn.map { ($0.name, HeadTensor(shape: $0.tensor.shape, values: $0.tensor.floats())) }) {
      first, _ in first
    }
  }
}

extension StoredAdapter {
  /// The adapter with its base model's name as Python has it: without the revision.
  fileprivate func named(_ base: HubModelID?) -> StoredAdapter {
    guard let base else { return self }
    var named = self
    named.metadata.baseModel = base.name
    return named
  }
}
