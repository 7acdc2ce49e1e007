import Adapters
import Checkpoints
import Configuration
import Diagnostics
import Hub
import Kernels
import Models
import Tasks

/// What a config means for a model, from `config.json` alone: which maps are adapted, what is trained, how large it is.
public struct RunPlan: Sendable {
  /// The config, resolved.
  public let config: RunConfig
  /// The directory that the config's `model` means: itself, or the cache's copy of a model on the Hub.
  public let modelDirectory: String
  /// Sizes of the model.
  public let model: ModelConfig
  /// Its modules and linear maps.
  public let geometry: ModelGeometry
  /// All linear maps of the model.
  public var sites: [Site] { geometry.sites }
  /// Which A and which B every adapted map starts with.
  public let table: SiteTable
  /// How A and B are shared.
  public let method: AdapterMethod

  /// Checks the config against the model's sizes. Throws what does not fit.
  public init(_ config: RunConfig) throws {
    self.config = config
    try Self.refuseUnsupported(config)
    modelDirectory = try Hub().directory(of: config.model, files: .config)
    model = try ModelConfig(directory: modelDirectory)
    if config.task.name.isLanguageModelling, !model.architecture.isDecoder {
      throw ModelError.notADecoder(model, path: config.model)
    }
    // A prompt and its answer have so many tokens each.
    let longest = config.task.maxSeqLength * (config.task.name == .instruct ? 2 : 1)
    guard longest <= model.maximumSequenceLength else {
      throw ModelError.tooLong(tokens: longest, limit: model.maximumSequenceLength, path: config.model)
    }
    geometry = ModelGeometry(model)
    method = try AdapterMethod.named(config.adapter.strategy)
    let adapted =
      !method.hasAdapters
      ? []
      : try TargetSelection(config.adapter.targetModules.names).select(
        from: geometry.sites, basePrefix: geometry.basePrefix)
    table = try SiteTable(sites: adapted, method: method, r: config.adapter.r)
    _ = try method.procedure?.finalTable(config.adapter.methodOptions, table)
  }

  /// The head for `labels`; a language model trains none.
  public func head(_ labels: LabelSpace?) -> [HeadParameter] {
    labels.map { HeadParameter.all(config: model, labels: $0.outputs) } ?? []
  }

  /// alpha / r, or alpha / √r.
  public var scale: Double {
    loraScale(alpha: config.adapter.loraAlpha, rank: config.adapter.r, useRSLoRA: config.adapter.useRSLoRA)
  }

  /// What the method does between the steps of a run of `totalSteps`; nil for nothing.
  public func procedure(totalSteps: Int) throws -> (any MethodProcedure)? {
    try method.procedure?.begin(config.adapter.methodOptions, table, totalSteps)
  }

  private static func refuseUnsupported(_ config: RunConfig) throws {
    var errors: [any UserFacingError] = []
    if config.training.precision == .bfloat16, !Products.hasBFloat16 { errors.append(RunError.noBFloat16) }
    try ErrorList.throwIfAny(errors)
  }
}

extension TargetModules {
  /// The targets as `TargetSelection` takes them.
  public var names: [String] {
    switch self {
    case .allLinear: [TargetSelection.allLinear]
    case .suffixes(let names): names
    }
  }
}

extension TaskSource {
  /// The task section of a config.
  public init(_ task: TaskConfig) {
    self.init(
      name: task.name.rawValue, dataDirectory: task.dataDir, trainFile: task.trainFile,
      validationFile: task.validationFile, testFile: task.testFile,
      textColumns: (task.textColumns ?? []).map(Tasks.Column.init),
      labelColumn: task.labelColumn.map(Tasks.Column.init),
      hasHeader: task.hasHeader, maxTrainSamples: task.maxTrainSamples, maxEvalSamples: task.maxEvalSamples)
  }
}

extension Tasks.Column {
  fileprivate init(_ column: Configuration.Column) {
    switch column {
    case .name(let name): self = .name(name)
    case .number(let index): self = .index(index)
    }
  }
}
