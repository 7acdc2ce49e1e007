import Models

/// How many numbers every method trains on a model: the table of `compare-params`.
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
  /// The family: `bert`.
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

  /// Compares `methods` on the maps that `targetModules` names.
  ///
  /// `labels` is the number of outputs of the head, nil for the model's own (none for decoders). `numMerges` is
  /// ASLoRA's, nil for its default. Throws what the trainer would: targets that match nothing, ranks too large, more
  /// merges than layers − 1.
  public init(
    model: String, geometry: ModelGeometry, targetModules: [String], rank: Int, labels: Int? = nil,
    numMerges: Int? = nil, methods: [AdapterMethod] = AdapterMethod.all
  ) throws {
    let sites = try TargetSelection(targetModules).select(from: geometry.sites, basePrefix: geometry.basePrefix)
    let lora = try SiteTable(sites: sites, method: .lora, r: rank)
    let merges = numMerges ?? ASLoRAPlan.defaultNumMerges(layers: lora.layerCount)
    try ASLoRAPlan.check(numMerges: merges, layers: lora.layerCount)
    let options = MethodOptions(aslora: ASLoRAOptions(numMerges: merges))
    let head = geometry.headParameters(labels: labels)
    rows = try methods.map { method in
      let start = try SiteTable(sites: sites, method: method, r: rank)
      let count = try method.procedure?.finalTable(options, start).parameterCount ?? start.parameterCount
      return Row(
        strategy: method.name, adapterParameters: count,
        adapterParametersBeforeMerging: method.procedure == nil ? nil : start.parameterCount,
        trainableParameters: count + head,
        percentOfLoRA: 100 * Double(count) / Double(lora.parameterCount))
    }
    self.model = model
    modelType = geometry.config.modelType
    totalParameters = geometry.totalParameters(labels: labels)
    self.rank = rank
    self.targetModules = targetModules
    self.numMerges = merges
  }
}
