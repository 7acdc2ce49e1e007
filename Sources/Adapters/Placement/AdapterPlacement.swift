import Diagnostics
import Models

/// Which linear maps a run adapts, and with which rank and scale: the keys of the same names in PEFT's `LoraConfig`.
///
///     var placement = AdapterPlacement(TargetSelection(["query", "value"]), r: 8, loraAlpha: 16)
///     placement.rankPattern = [ModuleValue("value", 4)]
///     let table = try placement.table(geometry, method: .lora)
public struct AdapterPlacement: Sendable, Equatable {
  /// Which maps.
  public var selection: TargetSelection
  /// The rank.
  public var r: Int
  /// alpha in s = alpha / r.
  public var loraAlpha: Double
  /// Whether s = alpha / √r.
  public var useRSLoRA: Bool
  /// Ranks of maps that have another one; the first that matches counts.
  public var rankPattern: [ModuleValue<Int>] = []
  /// The same for alpha.
  public var alphaPattern: [ModuleValue<Double>] = []

  /// A placement with one rank and one scale.
  public init(_ selection: TargetSelection, r: Int, loraAlpha: Double, useRSLoRA: Bool = false) {
    (self.selection, self.r, self.loraAlpha, self.useRSLoRA) = (selection, r, loraAlpha, useRSLoRA)
  }

  /// The adapted maps of a model. Throws everything that is wrong with the choice at once.
  public func sites(of geometry: ModelGeometry) throws -> [Site] {
    try selection.select(from: geometry.sites, basePrefix: geometry.basePrefix)
  }

  /// The table that a run with `method` starts with.
  ///
  /// Throws all at once: for a target, layer or pattern that names nothing, for options that the method does not take, for
  /// sizes that do not fit and ranks that cannot be shared, and unless `ranksAreBounded` is false for ranks above the smaller
  /// dimension of a map. What concerns the tensors follows once their sizes fit.
  public func table(
    _ geometry: ModelGeometry, method: AdapterMethod, ranksAreBounded: Bool = true
  ) throws -> SiteTable {
    let rule = method.design.scale, scale = rule.value(alpha: loraAlpha, rank: r, useRSLoRA: useRSLoRA)
    guard method.hasAdapters else { return try SiteTable(sites: [], method: method, r: r, scale: scale) }
    var errors: [any UserFacingError] = []
    let unscaled = (useRSLoRA ? ["use_rslora"] : []) + (alphaPattern.isEmpty ? [] : ["alpha_pattern"])
    if !rule.dividesAlpha {
      errors += unscaled.map { AdapterError.option($0, problem: "\(method.name) does not scale by lora_alpha / r") }
    }
    let rankRules = Self.compiled(rankPattern, "rank_pattern", &errors)
    let alphaRules = Self.compiled(alphaPattern, "alpha_pattern", &errors)
    let sites = try ErrorList.after(errors) { try self.sites(of: geometry) }
    let paths = sites.map { "\(geometry.basePrefix).\($0.path)" }
    let ranks = Self.values(rankRules, "rank_pattern", paths, &errors)
    let alphas = Self.values(alphaRules, "alpha_pattern", paths, &errors)
    let scales = zip(ranks, alphas).map { rank, alpha -> Double? in
      if rank == nil, alpha == nil { return nil }
      let own = rule.value(alpha: alpha ?? loraAlpha, rank: rank ?? r, useRSLoRA: useRSLoRA)
      return own == scale ? nil : own
    }
    let table = try ErrorList.after(errors) {
      try SiteTable(
        sites: sites, method: method, r: r, scale: scale, alpha: loraAlpha, ranks: ranks.map { $0 ?? r },
        scales: scales, ranksAreBounded: ranksAreBounded)
    }
    try ErrorList.throwIfAny(errors + Self.misplaced(method, table))
    return table
  }

  /// Additions that have nothing to act on in `table`, or cannot be applied to its tensors.
  private static func misplaced(_ method: AdapterMethod, _ table: SiteTable) -> [AdapterError] {
    let trained = table.tensors.map(table.tensor).filter(\.trains)
    var errors: [AdapterError] = []
    if method.design.regulariser != nil, !trained.contains(where: { $0.key.role.factor != nil }) {
      errors.append(.option("clora", problem: "\(method.title) trains neither an A or B nor a part of one"))
    }
    if method.design.vectorRateFactor != 1, !trained.contains(where: \.isFasterInLoRAPlus) {
      errors.append(.option("lora_plus_ratio", problem: "\(method.title) trains neither a B nor a vector"))
    }
    guard let start = method.design.start else { return errors }
    let shared = table.sharing(start.roles.filter { $0 == .a || $0 == .b }, method.title)
    if !start.takesMean { return errors + shared }
    if shared.isEmpty {
      errors.append(
        .option(
          "init_from_mean", problem: "no two maps share a tensor of \(method.title) that starts from their weights"))
    }
    return errors
  }

  /// A pattern that is a regular expression, with its value.
  private typealias Rule<Value> = (text: String, pattern: ModulePattern, value: Value)

  /// The patterns that are regular expressions; the others are added to `errors`.
  private static func compiled<Value>(
    _ patterns: [ModuleValue<Value>], _ key: String, _ errors: inout [any UserFacingError]
  ) -> [Rule<Value>] {
    var rules: [Rule<Value>] = []
    for entry in patterns {
      do {
        rules.append((entry.pattern, try ModulePattern(key: entry.pattern), entry.value))
      } catch {
        errors.append(AdapterError.badPattern(key, error.pattern, reason: error.reason))
      }
    }
    return rules
  }

  /// For every path the value of the first rule that matches its end. A rule that matches none is added to `errors`.
  private static func values<Value>(
    _ rules: [Rule<Value>], _ key: String, _ paths: [String], _ errors: inout [any UserFacingError]
  ) -> [Value?] {
    var values = [Value?](repeating: nil, count: paths.count)
    for rule in rules {
      let matched = paths.indices.filter { rule.pattern.matches(paths[$0]) }
      if matched.isEmpty { errors.append(AdapterError.unmatchedPattern(key, rule.text)) }
      for index in matched where values[index] == nil { values[index] = rule.value }
    }
    return values
  }
}

extension SiteTable {
  /// The tensors in `roles` that several maps share, which cannot start from the weight of each.
  fileprivate func sharing(_ roles: [TensorRole], _ title: String) -> [AdapterError] {
    tensors.filter { roles.contains($0.role) }.compactMap { key in
      let users = users(of: key)
      guard users.count > 1 else { return nil }
      return .sharedStart(method: title, role: key.role, module: key.module, maps: users.count)
    }
  }
}
