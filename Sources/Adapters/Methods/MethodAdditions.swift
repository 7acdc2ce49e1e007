/// What a config adds to a method that changes its tensors or the numbers that they start with.
public struct MethodAdditions: Sendable, Equatable {
  /// `use_dora`: a magnitude for every output of every adapted map.
  public var usesDoRA = false
  /// `init_lora_weights`.
  public var start = AdapterStart.standard
  /// `init_from_mean`: maps that share a tensor start from the mean of their weights.
  public var startsFromMean = false

  /// Nothing.
  public init() {}

  /// Whether methods with either have the same tensors.
  func declaresTheSame(as other: MethodAdditions) -> Bool {
    usesDoRA == other.usesDoRA && start.tensors == other.start.tensors
      && (start.tensors != .difference || startsFromMean == other.startsFromMean)
  }
}

extension AdapterMethod {
  /// The method with what a config adds. It must take it (`takesDoRA`, `takesStarts`).
  public func with(_ additions: MethodAdditions) -> AdapterMethod {
    var method = self
    if additions.start != .standard { method = method.starting(additions.start, fromMean: additions.startsFromMean) }
    if additions.usesDoRA { method = method.withDoRA() }
    method.additions = additions
    return method
  }

  /// The name with what is added: `share-a with use_dora`.
  public var title: String {
    var parts: [String] = []
    if additions.start.tensors != .plain { parts.append("init_lora_weights \"\(additions.start.name)\"") }
    if additions.usesDoRA { parts.append("use_dora") }
    return parts.isEmpty ? name : "\(name) with \(parts.joined(separator: " and "))"
  }
}
