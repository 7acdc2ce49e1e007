/// How many numbers every sharing strategy trains on a model: the table of `compare-params`.
///
/// The counts come from the same `SiteTable` that a run allocates from, so the two cannot disagree.
public struct ParameterComparison: Sendable, Equatable {
  /// One strategy.
  public struct Row: Sendable, Equatable {
    /// The strategy's name.
    public let strategy: String
    /// Numbers in the distinct tensors; for ASLoRA those left after its merges.
    public let adapterParameters: Int
    /// ASLoRA: the number before the first merge. Nil for the others.
    public let adapterParametersBeforeMerging: Int?
    /// Adapter and head.
    public let trainableParameters: Int
    /// Of LoRA's adapter parameters.
    public let percentOfLoRA: Double

    /// Bytes of the adapter's tensors on disk, each once, in float32.
    public var adapterBytes: Int { 4 * adapterParameters }
  }

  /// Directory or Hub id of the model.
  public let model: String
  /// `bert`, `roberta`, `gpt2` or `llama`.
  public let modelType: String
  /// Numbers in the whole model with its head, without adapters.
  public let totalParameters: Int
  /// r.
  public let rank: Int
  /// `target_modules`.
  public let targetModules: [String]
  /// Merges per module type that ASLoRA's row assumes.
  public let numMerges: Int
  /// One row for every strategy asked for.
  public let rows: [Row]

  /// Compares `strategies` on the maps that `targetModules` names.
  ///
  /// `labels` is the number of outputs of the head, nil for the model's own (none for decoders). `numMerges` is
  /// ASLoRA's, nil for its default. Throws what the trainer would: targets that match nothing, ranks too large, more
  /// merges than layers − 1.
  public init(
    model: String, geometry: ModelGeometry, targetModules: [String], rank: Int, labels: Int? = nil,
    numMerges: Int? = nil, strategies: [SharingStrategy] = SharingStrategy.all
  ) throws {
    let sites = try TargetSelection(targetModules).select(from: geometry.sites, basePrefix: geometry.basePrefix)
    let lora = try SiteTable(sites: sites, strategy: .lora, r: rank)
    let merges = numMerges ?? ASLoRAPlan.defaultNumMerges(layers: lora.layerCount)
    try ASLoRAPlan.check(numMerges: merges, layers: lora.layerCount)
    let head = geometry.headParameters(labels: labels)
    rows = try strategies.map { strategy in
      let start = try SiteTable(sites: sites, strategy: strategy, r: rank)
      let count = strategy.mergesWhileTraining ? start.merged(times: merges).parameterCount : start.parameterCount
      return Row(
        strategy: strategy.name, adapterParameters: count,
        adapterParametersBeforeMerging: strategy.mergesWhileTraining ? start.parameterCount : nil,
        trainableParameters: count + head,
        percentOfLoRA: 100 * Double(count) / Double(lora.parameterCount))
    }
    self.model = model
    modelType = geometry.config.family.rawValue
    totalParameters = geometry.totalParameters(labels: labels)
    self.rank = rank
    self.targetModules = targetModules
    self.numMerges = merges
  }
}

extension SiteTable {
  /// The table after `times` merges of every module type (fewer where a module has fewer layers): the two lowest
  /// groups each time, since the count does not depend on which merge.
  func merged(times: Int) -> SiteTable {
    var table = self
    for module in modules {
      for _ in 0..<times {
        let groups = table.groups(module: module)
        guard groups.count > 1, let lower = groups[0].last, let upper = groups[1].last else { break }
        table.mergeB(module: module, lowerLayer: lower, upperLayer: upper)
      }
    }
    return table
  }
}
