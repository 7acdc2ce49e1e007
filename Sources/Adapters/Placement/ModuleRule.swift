/// Which modules the keys `target_modules`, `exclude_modules`, `layers_to_transform` and `layers_pattern` choose, as PEFT
/// (0.21, `check_target_module_exists`) decides it for the path of a module.
struct ModuleRule {
  private let targets: Choice?
  private let excluded: Choice?
  private let layers: Set<Int>?
  private let layerPatterns: [ModulePattern]

  /// A compiled choice.
  private enum Choice {
    case suffixes([String])
    case all
    case expression(ModulePattern)

    init(_ modules: TargetModules) throws(ModulePattern.Refused) {
      switch modules {
      case .suffixes(let names): self = .suffixes(names)
      case .allLinear: self = .all
      case .expression(let text): self = .expression(try ModulePattern(text))
      }
    }
  }

  /// Throws for an expression that is none. `targets` nil chooses everything.
  init(
    targets: TargetModules?, excluded: TargetModules?, layers: [Int]?, layersPattern: [String]
  ) throws(ModulePattern.Refused) {
    self.targets = if let targets { try Choice(targets) } else { nil }
    self.excluded = if let excluded { try Choice(excluded) } else { nil }
    // PEFT takes an empty list for none.
    self.layers = layers.flatMap { $0.isEmpty ? nil : Set($0) }
    // The first numbered part of a path is its layer.
    var patterns: [ModulePattern] = []
    for pattern in layersPattern {
      _ = try ModulePattern(pattern)
      patterns.append(try ModulePattern(#"(?:^|.*?\.)"# + pattern + #"\.(?P<idx>\d+)\."#))
    }
    layerPatterns = patterns.isEmpty ? [try ModulePattern(#".*?\.[^.]*\.(?P<idx>\d+)\."#)] : patterns
  }

  /// Whether the module at `path` is chosen. `bare` is another spelling of the path, which names may have too.
  func chooses(_ path: String, bare: String? = nil) -> Bool {
    if isExcluded(path) { return false }
    switch targets {
    case nil, .all?: return true
    case .expression(let pattern)?: return pattern.matches(path)
    case .suffixes(let names)?:
      // A path in full is chosen whatever its layer.
      if names.contains(path) || bare.map(names.contains) ?? false { return true }
      return names.contains { path.hasSuffix("." + $0) } && isInLayers(path)
    }
  }

  /// Whether `exclude_modules` names `path`.
  func isExcluded(_ path: String) -> Bool {
    switch excluded {
    case nil: false
    case .all?: true
    case .expression(let pattern)?: pattern.matches(path)
    case .suffixes(let names)?: names.contains { path == $0 || path.hasSuffix("." + $0) }
    }
  }

  /// The layer that the rule reads in `path`.
  func layer(of path: String) -> Int? { layerPatterns.lazy.compactMap { $0.index(in: path) }.first }

  private func isInLayers(_ path: String) -> Bool {
    layers.map { layers in layer(of: path).map(layers.contains) ?? false } ?? true
  }
}
