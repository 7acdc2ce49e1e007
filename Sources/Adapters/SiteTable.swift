import Algorithms
import Diagnostics
import Kernels
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

/// Which tensors every adapted map uses: the one table that everything about sharing follows from.
///
/// Allocation, parameter counts, gradients (the sum over the sites that name a tensor), the optimiser (each distinct
/// tensor once), files (each tensor once, plus this table) and ASLoRA's merges (edits of this table) all ask it.
///
///     var table = try SiteTable(sites: sites, method: .aslora, r: 8)
///     for key in table.tensors { allocate(key, shape: table.shape(key)) }
///     table.mergeB(module: "attention.self.query", lowerLayer: 3, upperLayer: 4)
public struct SiteTable: Sendable {
  /// The adapted maps, in model order. Empty for the method `none`.
  public let sites: [Site]
  /// r of the config.
  public let rank: Int
  /// The method.
  public let method: AdapterMethod
  /// Module types in order of first appearance.
  public let modules: [String]
  /// The roles of the method's tensors: A and B, or others.
  public let roles: [TensorRole]
  /// Each distinct tensor once: by module in order of first appearance, by role, then by layer.
  public private(set) var tensors: [TensorKey] = []
  /// For every site, the keys of its tensors, in the order of `roles`; nil if the site has none of that role.
  private var keys: [[TensorKey?]]
  private let specs: [TensorKey: AdapterTensor]
  private let positionOfPath: [String: Int]
  /// For every tensor, the position of the first site that uses it.
  private var firstUsers: [TensorKey: Int] = [:]

  /// The table that a run with `method` starts with.
  ///
  /// Throws every violation at once: r above the smaller dimension of a site, shapes that cannot be shared.
  public init(sites: [Site], method: AdapterMethod, r: Int) throws {
    let sites = method.hasAdapters ? sites : []
    let declared = sites.map { method.tensors($0, r) }
    try Self.check(sites, declared, method, r)
    self.sites = sites
    self.method = method
    rank = r
    modules = Array(sites.map(\.module).uniqued())
    let roles = Array(declared.joined().map(\.key.role).uniqued())
    self.roles = roles
    specs = Dictionary(declared.joined().map { ($0.key, $0) }) { first, _ in first }
    positionOfPath = Dictionary(zip(sites.map(\.path), sites.indices)) { first, _ in first }
    keys = declared.map { tensors in roles.map { role in tensors.first { $0.key.role == role }?.key } }
    index()
  }

  /// The position in `sites` of the site with this path, or nil if it is not adapted.
  public func position(ofPath path: String) -> Int? { positionOfPath[path] }

  /// The key of the tensor that the site at `position` uses in this role; nil if it has none.
  public func key(_ role: TensorRole, ofSiteAt position: Int) -> TensorKey? {
    roles.firstIndex(of: role).flatMap { keys[position][$0] }
  }

  /// All keys of the site at `position`.
  public func keys(ofSiteAt position: Int) -> [TensorKey] { keys[position].compactMap { $0 } }

  /// The positions of the sites that use `key`, in model order.
  public func users(of key: TensorKey) -> [Int] { keys.indices.filter { keys[$0].contains(key) } }

  /// The position of the first site that uses `key`; nil if it is not in the table.
  public func firstUser(of key: TensorKey) -> Int? { firstUsers[key] }

  /// What the method declared for a tensor.
  public func tensor(_ key: TensorKey) -> AdapterTensor {
    guard let tensor = specs[key] else { preconditionFailure("\(key) is not in the table") }
    return tensor
  }

  /// Lengths of the dimensions: [r, in] for an A, [out, r] for a B.
  public func shape(_ key: TensorKey) -> [Int] { tensor(key).shape }

  /// Numbers that are trained in all distinct tensors.
  public var parameterCount: Int {
    tensors.map(tensor).filter(\.trains).reduce(0) { $0 + $1.shape.reduce(1, *) }
  }

  /// The groups of layers of `module` that share a B, each ascending, ordered by the layer that names their B.
  ///
  /// A B that the method shares over the whole stack makes a single group.
  public func groups(module: String) -> [[Int]] {
    tensors.filter { $0.role == .b && $0.module == module }
      .map { key in users(of: key).map { sites[$0].layer }.sorted() }
  }

  /// The number of layers of the module type that is adapted in most layers.
  public var layerCount: Int {
    modules.map { module in Set(sites.filter { $0.module == module }.map(\.layer)).count }.max() ?? 0
  }

  // MARK: - Edits

  /// Ties two groups of `module`: the sites that use the B named `lowerLayer` use the B named `upperLayer` from now
  /// on. The lower B is no longer in `tensors`. A group's B is named by its highest layer.
  public mutating func mergeB(module: String, lowerLayer: Int, upperLayer: Int) {
    let lower = TensorKey(role: .b, module: module, layer: lowerLayer)
    let upper = TensorKey(role: .b, module: module, layer: upperLayer)
    precondition(lowerLayer < upperLayer && firstUsers[lower] != nil && firstUsers[upper] != nil)
    tie([lower: upper])
  }

  /// Lets the sites that use a key of `replacements` use its value instead.
  mutating func tie(_ replacements: [TensorKey: TensorKey]) {
    for position in keys.indices {
      keys[position] = keys[position].map { key in key.map { replacements[$0] ?? $0 } }
    }
    index()
  }

  /// Recomputes `tensors` and their first users from the sites' keys.
  private mutating func index() {
    let moduleOrder = Dictionary(uniqueKeysWithValues: zip(modules, modules.indices))
    let roleOrder = Dictionary(uniqueKeysWithValues: zip(roles, roles.indices))
    func order(_ key: TensorKey) -> (Int, String, Int, Int) {
      let module = moduleOrder[key.module]
      return (module ?? modules.count, module == nil ? key.module : "", roleOrder[key.role] ?? 0, key.layer ?? -1)
    }
    firstUsers = [:]
    for position in keys.indices.reversed() {
      for case let key? in keys[position] { firstUsers[key] = position }
    }
    tensors = firstUsers.keys.sorted { order($0) < order($1) }
  }

  private static func check(
    _ sites: [Site], _ declared: [[AdapterTensor]], _ method: AdapterMethod, _ r: Int
  ) throws {
    guard !sites.isEmpty else { return }
    guard r >= 1 else { throw AdapterError.rankNotPositive(r) }
    var errors: [AdapterError] = []
    var first: [TensorKey: (site: Site, shape: [Int])] = [:]
    for (site, tensors) in zip(sites, declared) {
      if r > min(site.inFeatures, site.outFeatures) {
        errors.append(
          .rankTooLarge(rank: r, path: site.path, inFeatures: site.inFeatures, outFeatures: site.outFeatures))
      }
      for tensor in tensors {
        guard let other = first[tensor.key] else {
          first[tensor.key] = (site, tensor.shape)
          continue
        }
        if tensor.shape != other.shape {
          errors.append(
            .shapesDiffer(
              strategy: method.name, role: tensor.key.role, module: site.module, first: other.site.path,
              second: site.path))
        }
      }
    }
    try ErrorList.throwIfAny(errors)
  }
}

// MARK: - Names

extension SiteTable {
  /// The tensor's name in files.
  ///
  /// A tensor of one layer (or of a group, which its highest layer names):
  /// `encoder.layer.3.attention.self.query.lora_A.weight`. One of the whole stack:
  /// `shared.attention.self.query.lora_A.weight`.
  public func name(of key: TensorKey) -> String {
    let owner = sites.first { $0.layer == key.layer && $0.module == key.module }
    let shared = key.layer.map { "shared.\($0).\(key.module)" } ?? "shared.\(key.module)"
    return "\(owner?.path ?? shared).\(key.role.fileName)"
  }

  /// Which random numbers the tensor starts from: a stable 64-bit hash of its role, its module and the lowest layer
  /// that uses it.
  ///
  /// A shared A thus starts as LoRA's A of layer 0, and every method starts alike if there is only one layer.
  public func initialisationKey(_ key: TensorKey) -> UInt64 {
    let layer = users(of: key).map { sites[$0].layer }.min() ?? 0
    return Philox.stream(named: "\(key.role.name) \(key.module) \(layer)")
  }
}

extension SiteTable: Equatable {
  /// Whether two tables are of the same method and share the same tensors between the same sites.
  public static func == (one: SiteTable, other: SiteTable) -> Bool {
    one.sites == other.sites && one.rank == other.rank && one.method.name == other.method.name
      && one.keys == other.keys
  }
}
