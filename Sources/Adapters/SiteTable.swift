import Algorithms
import Diagnostics
import Kernels
import Models

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
  /// The rank of every site.
  public let ranks: [Int]
  /// The scale of every site; nil for that of the run.
  public let scales: [Double?]
  /// s of the run: alpha / r, unless the method has another one.
  public let scale: Double
  /// alpha of the run.
  public let alpha: Double
  /// The method.
  public private(set) var method: AdapterMethod
  /// The adapted maps, as methods see them.
  public let maps: AdaptedMaps
  /// Module types in order of first appearance.
  public let modules: [String]
  /// Numbers of all distinct tensors that the method declares, and of what its form makes of them.
  let storageCount: Int
  /// The roles of the method's tensors: A and B, or others.
  public let roles: [TensorRole]
  /// Each distinct tensor once: by module in order of first appearance, by role, then by layer.
  public private(set) var tensors: [TensorKey] = []
  /// For every site, the keys of its tensors, in the order of `roles`; nil if the site has none of that role.
  private var keys: [[TensorKey?]]
  private var specs: [TensorKey: AdapterTensor]
  private let positionOfPath: [String: Int]
  /// For every tensor, the position of the first site that uses it.
  private var firstUsers: [TensorKey: Int] = [:]

  /// The table that a run with `method` starts with.
  ///
  /// `ranks` and `scales`, if given, are those of each site. Throws every violation at once: a rank above the smaller
  /// dimension of a site unless `ranksAreBounded` is false (PEFT's are not), shapes that cannot be shared, sizes that do
  /// not fit. Then throws for more numbers than could be counted, or held by any machine.
  public init(
    sites: [Site], method: AdapterMethod, r: Int, scale: Double = 1, alpha: Double = 1, ranks: [Int]? = nil,
    scales: [Double?]? = nil,
    ranksAreBounded: Bool = true
  ) throws {
    let sites = method.hasAdapters ? sites : []
    let ranks = ranks ?? sites.map { _ in r }
    let scales = scales ?? sites.map { _ in nil }
    precondition(ranks.count == sites.count && scales.count == sites.count)
    let maps = AdaptedMaps(sites, ranks: ranks), isBounded = ranksAreBounded && method.design.ranksAreBounded
    let misfits = try Self.misfits(sites, ranks, method, maps, ranksAreBounded: isBounded)
    // Tensors of sizes that do not fit cannot be declared.
    let declared = misfits.isEmpty ? zip(sites, ranks).map { method.design.tensors($0, $1, maps) } : []
    let errors = misfits + Self.clashes(sites, declared, method, ranks, scales)
    let kinds = Dictionary(grouping: errors, by: \.kind)
    try ErrorList.throwIfAny(errors.map(\.kind).uniqued().flatMap { ErrorList.alike(kinds[$0] ?? []) })
    let specs = Dictionary(declared.joined().map { ($0.key, $0) }) { first, _ in first }
    storageCount = try TableSize(method: method, maps: maps, tensors: Array(specs.values)).numbers
    self.specs = specs
    (self.sites, self.ranks, self.scales, self.scale, self.alpha) = (sites, ranks, scales, scale, alpha)
    (self.method, self.maps) = (method, maps)
    rank = r
    modules = Array(sites.map(\.module).uniqued())
    let roles = Array(declared.joined().map(\.key.role).uniqued())
    self.roles = roles
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

  /// Numbers of all distinct tensors that files hold.
  public var storedCount: Int { tensors.map(tensor).filter(\.isStored).reduce(0) { $0 + $1.count } }

  /// The groups of layers of `module` that share a B, each ascending, ordered by the layer that names their B.
  ///
  /// A B that the method shares over the whole stack makes a single group.
  public func groups(module: String) -> [[Int]] {
    tensors.filter { $0.role == .b && $0.module == module }
      .map { key in users(of: key).map { sites[$0].layer }.sorted() }
  }

  /// What a form sees of the site at `position`; `numbers` gives those of a tensor.
  func tensors(ofSiteAt position: Int, _ weights: BaseWeights?, _ numbers: (TensorKey) -> [Float]) -> SiteTensors {
    let site = sites[position], keys = keys(ofSiteAt: position)
    return SiteTensors(
      site: site, rank: ranks[position], scale: scales[position] ?? scale, maps: maps,
      values: Dictionary(keys.map { ($0.role, numbers($0)) }) { first, _ in first },
      baseWeight: weights?.weight(of: site))
  }

  /// The positions of sites that share a tensor in any of `roles`, directly or through others, in model order.
  func groups(sharing roles: [TensorRole]) -> [[Int]] {
    var groups: [(keys: Set<TensorKey>, positions: [Int])] = []
    for position in sites.indices {
      var keys = Set(roles.compactMap { key($0, ofSiteAt: position) }), positions: [Int] = []
      if keys.isEmpty { continue }
      let joined = groups.indices.filter { !groups[$0].keys.isDisjoint(with: keys) }
      for index in joined {
        keys.formUnion(groups[index].keys)
        positions += groups[index].positions
      }
      for index in joined.reversed() { groups.remove(at: index) }
      groups.append((keys, positions + [position]))
    }
    return groups.map(\.positions).sorted { $0[0] < $1[0] }
  }

  /// The number of layers of the module type that is adapted in most layers.
  public var layerCount: Int {
    modules.map { module in Set(sites.filter { $0.module == module }.map(\.layer)).count }.max() ?? 0
  }

  /// This table for a run of `method`, which declares the same tensors: learning rates are not in files.
  public func trained(by method: AdapterMethod) -> SiteTable {
    precondition(method == self.method)
    var table = self
    for tensor in zip(sites, ranks).flatMap({ method.design.tensors($0, $1, maps) }) where specs[tensor.key] != nil {
      table.specs[tensor.key] = tensor
    }
    table.method = method
    return table
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

  /// Every rank and size that does not fit its map.
  private static func misfits(
    _ sites: [Site], _ ranks: [Int], _ method: AdapterMethod, _ maps: AdaptedMaps, ranksAreBounded: Bool
  ) throws -> [AdapterError] {
    if let rank = ranks.first(where: { $0 < 1 }) { throw AdapterError.rankNotPositive(rank) }
    if let rank = ranks.first(where: { $0 > MethodOption.most }) { throw AdapterError.rankOutOfRange(rank) }
    var errors: [AdapterError] = []
    for (site, r) in zip(sites, ranks) {
      if ranksAreBounded, r > min(site.inFeatures, site.outFeatures) {
        errors.append(
          .rankTooLarge(rank: r, path: site.path, inFeatures: site.inFeatures, outFeatures: site.outFeatures))
      }
      for misfit in method.design.misfits(site, r, maps) {
        let error = AdapterError.misfit(misfit, path: misfit.isOfMap ? site.path : nil)
        if misfit.isOfMap || !errors.contains(error) { errors.append(error) }
      }
    }
    return errors
  }

  /// Tensors that cannot be shared.
  private static func clashes(
    _ sites: [Site], _ declared: [[AdapterTensor]], _ method: AdapterMethod, _ ranks: [Int], _ scales: [Double?]
  ) -> [AdapterError] {
    var errors: [AdapterError] = []
    var first: [TensorKey: (site: Site, shape: [Int], rank: Int)] = [:]
    for ((site, tensors), r) in zip(zip(sites, declared), ranks) {
      for tensor in tensors {
        guard let other = first[tensor.key] else {
          first[tensor.key] = (site, tensor.shape, r)
          continue
        }
        if r != other.rank, tensor.shape != other.shape {
          errors.append(
            .ranksDiffer(
              strategy: method.name, role: tensor.key.role, first: other.site.path, firstRank: other.rank,
              second: site.path, secondRank: r))
        } else if tensor.shape != other.shape {
          errors.append(
            .shapesDiffer(
              strategy: method.name, role: tensor.key.role, module: site.module, first: other.site.path,
              second: site.path))
        }
      }
    }
    if method.procedure?.mergesLayers == true {
      let settings = zip(sites, zip(ranks, scales))
      for (site, setting) in settings {
        guard let (first, other) = settings.first(where: { $0.0.module == site.module }),
          other.0 != setting.0 || other.1 != setting.1
        else { continue }
        errors.append(
          .mergedDiffer(strategy: method.name, module: site.module, first: first.path, second: site.path))
        break
      }
    }
    return errors
  }

  /// The rank of the first site of `module`.
  func rank(ofModule module: String) -> Int { sites.firstIndex { $0.module == module }.map { ranks[$0] } ?? rank }
}

extension AdapterError {
  /// What it has in common with those of other maps.
  fileprivate var kind: String {
    switch self {
    case .rankTooLarge: "r"
    case .misfit(let misfit, _): misfit.key + misfit.problem
    case .ranksDiffer: "ranks"
    case .shapesDiffer: "shapes"
    default: description
    }
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
    one.sites == other.sites && one.rank == other.rank && one.ranks == other.ranks && one.scales == other.scales
      && one.method == other.method
      && one.keys == other.keys
  }
}
