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
    try self.init(model: config.model, adapter: run.adapterPath, seed: config.training.seed)
  }

  /// The native or PEFT adapter in the directory `adapter`, on the model `model`.
  public init(model: String, adapter path: String, seed: Int? = nil) throws {
    modelName = model
    let base = Hub.id(model)
    revision = base?.revision
    directory = try Hub().directory(of: model, files: .config)
    adapterDirectory = path
    self.seed = seed
    geometry = ModelGeometry(try ModelConfig(directory: directory))
    if try AdapterFile.isNative(path) {
      let stored = try AdapterFile.read(path)
      try stored.table.requireFit(modelSites: geometry.sites, place: path)
      native = stored.named(base)
      adapter = stored.expanded
    } else {
      native = nil
      adapter = try PEFTAdapter.read(path, modelSites: geometry.sites, basePrefix: geometry.basePrefix).expanded
    }
  }

  /// What the model is for with this adapter.
  public var task: FoldedCheckpoint.Task {
    if let native, native.metadata.taskType == "SEQ_CLS" {
      return .classifier(native.metadata.labels.isEmpty ? .regression : .classes(native.metadata.labels))
    }
    // The tensor with a row for each output.
    let outputs = ["classifier.out_proj.weight", "classifier.weight", "score.weight"]
    if let head = outputs.compactMap({ adapter.head[$0] }).first {
      return .classifier(.unnamed(head.shape.first ?? 0))
    }
    switch geometry.config.family {
    case .gpt2, .llama: return .languageModel
    case .bert, .roberta: return .asStored
    }
  }

  /// The tensors of BERT's pooler as the run drew them, where the checkpoint in `weights` has none.
  public func drawnPooler(for weights: CheckpointDirectory) -> [String: HeadTensor] {
    let config = geometry.config, weight = "pooler.dense.weight", bias = "pooler.dense.bias"
    guard config.family == .bert, let seed, case .classifier = task, !weights.contains(weight),
      !weights.contains(bias)
    else { return [:] }
    let philox = Philox(seed: UInt64(truncatingIfNeeded: seed)), hidden = config.hiddenSize
    let values = philox.normal(
      hidden * hidden, deviation: Double(config.initializerRange), stream: Philox.stream(named: weight))
    return [
      weight: HeadTensor(shape: [hidden, hidden], values: values),
      bias: HeadTensor(shape: [hidden], values: [Float](repeating: 0, count: hidden)),
    ]
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
