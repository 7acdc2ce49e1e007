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
  /// The task that it names.
  public let task: Task
  /// The directory that the config's `model` means: itself, or the cache's copy of a model on the Hub.
  public let modelDirectory: String
  /// Sizes of the model.
  public let model: ModelConfig
  /// All linear maps of the model.
  public let sites: [Site]
  /// Which A and which B every adapted map starts with.
  public let table: SiteTable
  /// How A and B are shared.
  public let strategy: SharingStrategy

  /// Checks the config against the model's sizes. Throws what does not fit.
  public init(_ config: RunConfig) throws {
    self.config = config
    task = try config.knownTask()
    try Self.refuseUnsupported(config)
    modelDirectory = try Hub().directory(of: config.model, files: .config)
    model = try ModelConfig(directory: modelDirectory)
    if task.isLanguageModelling, !model.family.isDecoder {
      throw ModelError.notADecoder(model.family.rawValue, path: config.model)
    }
    if model.family == .llama { _ = try RotaryFrequencies(model, path: modelDirectory) }
    let longest = config.task.maxSeqLength * task.textsPerExample
    guard longest <= model.maximumSequenceLength else {
      throw ModelError.tooLong(tokens: longest, limit: model.maximumSequenceLength, path: config.model)
    }
    let geometry = ModelGeometry(model)
    sites = geometry.sites
    strategy = try SharingStrategy.named(config.adapter.strategy)
    let adapted =
      config.adapter.strategy == "none"
      ? []
      : try TargetSelection(config.adapter.targetModules.names).select(from: sites, basePrefix: geometry.basePrefix)
    table = try SiteTable(sites: adapted, strategy: strategy, r: config.adapter.r)
    if strategy.mergesWhileTraining, let merges = config.adapter.aslora.numMerges {
      try ASLoRAPlan.check(numMerges: merges, layers: table.layerCount)
    }
  }

  /// The head for `labels`; a language model trains none.
  public func head(_ labels: LabelSpace?) -> [HeadParameter] {
    labels.map { HeadParameter.all(config: model, labels: $0.outputs) } ?? []
  }

  /// alpha / r, or alpha / √r.
  public var scale: Double {
    loraScale(alpha: config.adapter.loraAlpha, rank: config.adapter.r, useRSLoRA: config.adapter.useRSLoRA)
  }

  /// ASLoRA's merges over a run of `totalSteps`, or nil for other strategies.
  public func merging(totalSteps: Int) throws -> ASLoRAPlan? {
    guard strategy.mergesWhileTraining else { return nil }
    let options = config.adapter.aslora
    return try ASLoRAPlan(
      startStep: options.startStep, mergeInterval: options.mergeInterval, numMerges: options.numMerges,
      candidates: options.candidates, metric: options.metric, direction: options.direction,
      totalSteps: totalSteps, layers: table.layerCount)
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
