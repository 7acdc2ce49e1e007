import Algorithms
import Diagnostics
import Models

/// Which linear maps of a model a config chooses, by PEFT's rules.
///
/// A name chooses every map whose path equals it or ends with "." + name; `"all-linear"` chooses all of them; an
/// expression chooses those whose whole path it matches, the base model's prefix included. A slice of a fused map
/// (`c_attn.q`) is chosen only by names that name the fused map too (`c_attn.q`, `attn.c_attn.q`), never by `q` alone and
/// never by `all-linear`, and by an expression only if that does not match the fused map.
///
///     let sites = try TargetSelection(["query", "value"]).select(from: geometry.sites, basePrefix: "bert")
public struct TargetSelection: Sendable, Equatable {
  /// `target_modules`.
  public var targets: TargetModules
  /// `exclude_modules`.
  public var excluded: TargetModules?
  /// `layers_to_transform`; nil for all.
  public var layers: [Int]?
  /// `layers_pattern`: what stands before a layer's number; empty for anything.
  public var layersPattern: [String] = []

  /// A selection by these targets.
  public init(_ targets: TargetModules) { self.targets = targets }

  /// A selection by names, or `["all-linear"]`.
  public init(_ names: [String]) { targets = names == [Self.allLinear] ? .allLinear : .suffixes(names) }

  /// The name of every adaptable map but slices.
  public static let allLinear = "all-linear"

  /// The sites that are chosen, in the order of `sites`.
  ///
  /// `basePrefix` is what transformers puts before the paths (`bert`); a name may begin with it. All targets that match
  /// nothing are reported at once, and so are layers and exclusions.
  public func select(from sites: [Site], basePrefix: String = "") throws -> [Site] {
    if targets == .suffixes([]) { throw AdapterError.noTargets }
    func path(_ path: String) -> String { basePrefix.isEmpty ? path : basePrefix + "." + path }
    var errors: [AdapterError] = []
    for target in targets.parts where try !Self.matches(target, "target_modules", sites, path) {
      errors.append(Self.unmatched(target, sites))
    }
    for part in excluded?.parts ?? [] where try !Self.matches(part, "exclude_modules", sites, path) {
      errors.append(.unmatchedExclusion(part.names[0]))
    }
    let rule = try rule()
    if let layers, !layers.isEmpty {
      let present = Set(sites.compactMap { rule.layer(of: path($0.path)) })
      if present.isEmpty {
        errors.append(.noLayers(layersPattern))
      } else {
        let missing = layers.filter { !present.contains($0) }
        if !missing.isEmpty { errors.append(.unknownLayers(missing, last: present.max() ?? 0)) }
      }
    }
    try ErrorList.throwIfAny(errors)
    let selected = sites.filter { Self.chooses(rule, targets, $0, path) }
    let paths = Set(selected.map(\.path))
    if let slice = selected.first(where: { paths.contains($0.slice?.path ?? "") }) {
      throw AdapterError.overlappingTargets(fused: slice.slice?.path ?? "", slice: slice.path)
    }
    if selected.isEmpty { throw AdapterError.nothingLeft }
    return selected
  }

  /// The rule of PEFT with exclusions and layers.
  private func rule() throws -> ModuleRule {
    do {
      return try ModuleRule(targets: targets, excluded: excluded, layers: layers, layersPattern: layersPattern)
    } catch {
      throw AdapterError.badPattern("layers_pattern", error.pattern, reason: error.reason)
    }
  }

  /// Whether the value of `key` matches any site by itself.
  private static func matches(
    _ targets: TargetModules, _ key: String, _ sites: [Site], _ path: (String) -> String
  ) throws -> Bool {
    do {
      let rule = try ModuleRule(targets: targets, excluded: nil, layers: nil, layersPattern: [])
      return sites.contains { chooses(rule, targets, $0, path) }
    } catch {
      throw AdapterError.badPattern(key, error.pattern, reason: error.reason)
    }
  }

  private static func chooses(
    _ rule: ModuleRule, _ targets: TargetModules, _ site: Site, _ path: (String) -> String
  ) -> Bool {
    guard let slice = site.slice else { return rule.chooses(path(site.path), bare: site.path) }
    let fused = path(slice.path)
    if rule.isExcluded(fused) { return false }
    switch targets {
    case .allLinear: return false
    case .expression: return !rule.chooses(fused) && rule.chooses(path(site.path))
    case .suffixes(let names):
      // Names without a dot never mean a slice.
      return rule.chooses(path(site.path), bare: site.path)
        && names.contains { name in
          name.contains(".") && (path(site.path) == name || path(site.path).hasSuffix("." + name) || site.path == name)
        }
    }
  }

  private static func unmatched(_ target: TargetModules, _ sites: [Site]) -> AdapterError {
    guard case .expression(let text) = target else {
      return .unmatchedTarget(target.names[0], nearest: nearest(to: target.names[0], among: sites))
    }
    let isName = sites.contains { $0.path == text || $0.path.hasSuffix("." + text) }
    return .unmatchedExpression(text, isName: isName)
  }

  /// Up to three names that the person may have meant: the nearest in spelling, else all that there are.
  private static func nearest(to target: String, among sites: [Site]) -> [String] {
    let names = Array((sites.map(shortName) + (target.contains(".") ? sites.map(\.module) : [])).uniqued())
    var rest = names, found: [String] = []
    while found.count < 3, let name = nearestName(to: target, among: rest) {
      found.append(name)
      rest.removeAll { $0 == name }
    }
    return found.isEmpty ? names : found
  }

  /// `query` of `attention.self.query`; `c_attn.q` of a slice.
  private static func shortName(of site: Site) -> String {
    site.module.split(separator: ".").suffix(site.slice == nil ? 1 : 2).joined(separator: ".")
  }
}

extension TargetModules {
  /// The choice in parts of which each must match something.
  fileprivate var parts: [TargetModules] {
    if case .suffixes(let names) = self { names.map { .suffixes([$0]) } } else { [self] }
  }
}
