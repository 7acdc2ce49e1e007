import Algorithms
import Diagnostics
import Models

/// Which linear maps of a model `target_modules` names, by PEFT's rule.
///
/// A target names every map whose path equals it or ends with "." + target; `"all-linear"` names all of them.
/// A slice of a fused map (`c_attn.q`) is named only by targets that name the fused map too (`c_attn.q`,
/// `attn.c_attn.q`), never by `q` alone and never by `all-linear`.
///
///     let sites = try TargetSelection(["query", "value"]).select(from: geometry.sites, basePrefix: "bert")
public struct TargetSelection: Sendable, Equatable {
  /// The targets, as in `target_modules`.
  public let targets: [String]

  /// A selection by these targets.
  public init(_ targets: [String]) {
    self.targets = targets
  }

  /// The name of every adaptable map but slices.
  public static let allLinear = "all-linear"

  /// The sites that the targets name, in the order of `sites`.
  ///
  /// `basePrefix` is what transformers puts before the paths (`bert`); a target may begin with it. All targets that
  /// match nothing are reported at once.
  public func select(from sites: [Site], basePrefix: String = "") throws -> [Site] {
    if targets.isEmpty { throw AdapterError.noTargets }
    var errors: [AdapterError] = []
    for target in targets where !sites.contains(where: { Self.matches(target, $0, basePrefix) }) {
      errors.append(.unmatchedTarget(target, nearest: Self.nearest(to: target, among: sites)))
    }
    let selected = sites.filter { site in targets.contains { Self.matches($0, site, basePrefix) } }
    let paths = Set(selected.map(\.path))
    if let slice = selected.first(where: { paths.contains($0.slice?.path ?? "") }) {
      errors.append(.overlappingTargets(fused: slice.slice?.path ?? "", slice: slice.path))
    }
    try ErrorList.throwIfAny(errors)
    return selected
  }

  private static func matches(_ target: String, _ site: Site, _ basePrefix: String) -> Bool {
    if target == allLinear { return site.slice == nil }
    if site.slice != nil, !target.contains(".") { return false }
    let path = basePrefix.isEmpty ? site.path : basePrefix + "." + site.path
    return path == target || path.hasSuffix("." + target) || site.path == target
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
