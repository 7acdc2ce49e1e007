import Diagnostics

/// Which A and which B every adapted map uses: the one table that everything about sharing follows from.
///
/// Allocation, parameter counts, gradients (the sum over the sites that name a tensor), the optimiser (each distinct
/// tensor once), files (each tensor once, plus this table) and ASLoRA's merges (edits of this table) all ask it.
///
///     var table = try SiteTable(sites: sites, strategy: .aslora, r: 8)
///     for key in table.tensors { allocate(key, shape: table.shape(key)) }
///     table.mergeB(module: "attention.self.query", lowerLayer: 3, upperLayer: 4)
public struct SiteTable: Sendable, Equatable {
  /// The adapted maps, in model order. Empty for the strategy `none`.
  public let sites: [Site]
  /// r: rows of every A, columns of every B.
  public let rank: Int
  /// The strategy's name.
  public let strategyName: String
  /// Module types in order of first appearance.
  public let modules: [String]
  /// Each distinct tensor once: by module in order of first appearance, A before B, then by layer.
  public private(set) var tensors: [TensorKey] = []
  /// For every site, the positions of its A and its B in `tensors`.
  private var slots: [Slot] = []
  private let positionOfPath: [String: Int]
  private let positionOfPlace: [TensorKey: Int]
  private var positionOfTensor: [TensorKey: Int] = [:]
  /// For every tensor, the position of the first site that uses it.
  private var firstUsers: [Int] = []

  private struct Slot: Sendable, Equatable {
    var a: TensorKey
    var b: TensorKey
    var aIndex = 0
    var bIndex = 0
  }

  /// The table that a run with `strategy` starts with.
  ///
  /// Throws every violation at once: r above the smaller dimension of a site, shapes that cannot be shared.
  public init(sites: [Site], strategy: SharingStrategy, r: Int) throws {
    let sites = strategy.hasAdapters ? sites : []
    try Self.check(sites: sites, strategy: strategy, r: r)
    self.sites = sites
    rank = r
    strategyName = strategy.name
    var seen: Set<String> = []
    modules = sites.map(\.module).filter { seen.insert($0).inserted }
    positionOfPath = Dictionary(zip(sites.map(\.path), sites.indices)) { first, _ in first }
    positionOfPlace = Dictionary(
      zip(sites.map { TensorKey(side: .a, module: $0.module, layer: $0.layer) }, sites.indices)
    ) { first, _ in first }
    slots = sites.map { Slot(a: strategy.key(.a, $0), b: strategy.key(.b, $0)) }
    index()
  }

  /// The first site of a module type in a layer.
  func site(module: String, layer: Int) -> Site? {
    positionOfPlace[TensorKey(side: .a, module: module, layer: layer)].map { sites[$0] }
  }

  /// The position in `sites` of the site with this path, or nil where it is not adapted.
  public func position(ofPath path: String) -> Int? { positionOfPath[path] }

  /// The key of the A or B that the site at `position` uses.
  public func key(_ side: Side, ofSiteAt position: Int) -> TensorKey {
    side == .a ? slots[position].a : slots[position].b
  }

  /// The key of the A or B that `site`, one of `sites`, uses.
  public func key(_ side: Side, of site: Site) -> TensorKey {
    guard let position = positionOfPath[site.path] else { preconditionFailure("\(site.path) is not in the table") }
    return key(side, ofSiteAt: position)
  }

  /// The position in `tensors` of the A or B that the site at `position` uses.
  public func tensorIndex(_ side: Side, ofSiteAt position: Int) -> Int {
    side == .a ? slots[position].aIndex : slots[position].bIndex
  }

  /// The positions of the sites that use `key`, in model order.
  public func users(of key: TensorKey) -> [Int] {
    slots.indices.filter { self.key(key.side, ofSiteAt: $0) == key }
  }

  /// The position of the first site that uses `key`; nil where it is not in the table.
  public func firstUser(of key: TensorKey) -> Int? { positionOfTensor[key].map { firstUsers[$0] } }

  /// [r, in] for an A, [out, r] for a B.
  public func shape(_ key: TensorKey) -> [Int] {
    guard let position = firstUser(of: key) else { preconditionFailure("\(key) is not in the table") }
    return key.side == .a ? [rank, sites[position].inFeatures] : [sites[position].outFeatures, rank]
  }

  /// Numbers in all distinct tensors.
  public var parameterCount: Int {
    tensors.reduce(0) { $0 + shape($1).reduce(1, *) }
  }

  /// The groups of layers of `module` that share a B, each ascending, ordered by the layer that names their B.
  ///
  /// A B that the strategy shares over the whole stack makes a single group.
  public func groups(module: String) -> [[Int]] {
    tensors.filter { $0.side == .b && $0.module == module }
      .map { key in users(of: key).map { sites[$0].layer }.sorted() }
  }

  /// The number of layers of the module type that is adapted in most layers.
  public var layerCount: Int {
    modules.map { module in Set(sites.filter { $0.module == module }.map(\.layer)).count }.max() ?? 0
  }

  /// Ties two groups of `module`: the sites that use the B named `lowerLayer` use the B named `upperLayer` from now
  /// on. The lower B is no longer in `tensors`. A group's B is named by its highest layer.
  public mutating func mergeB(module: String, lowerLayer: Int, upperLayer: Int) {
    let lower = TensorKey(side: .b, module: module, layer: lowerLayer)
    let upper = TensorKey(side: .b, module: module, layer: upperLayer)
    precondition(lowerLayer < upperLayer && tensors.contains(lower) && tensors.contains(upper))
    for position in slots.indices where slots[position].b == lower { slots[position].b = upper }
    index()
  }

  /// Several merges at once, of groups that none of the others brings about.
  mutating func mergeB(_ merges: [(module: String, lowerLayer: Int, upperLayer: Int)]) {
    var uppers: [TensorKey: TensorKey] = [:]
    for (module, lowerLayer, upperLayer) in merges {
      uppers[TensorKey(side: .b, module: module, layer: lowerLayer)] =
        TensorKey(side: .b, module: module, layer: upperLayer)
    }
    for position in slots.indices {
      if let upper = uppers[slots[position].b] { slots[position].b = upper }
    }
    index()
  }

  /// Recomputes `tensors` and the positions in it from the slots' keys.
  private mutating func index() {
    let moduleOrder = Dictionary(uniqueKeysWithValues: zip(modules, modules.indices))
    func order(_ key: TensorKey) -> (Int, Int, Int) {
      (moduleOrder[key.module] ?? modules.count, key.side == .a ? 0 : 1, key.layer ?? -1)
    }
    tensors = Set(slots.flatMap { [$0.a, $0.b] }).sorted { order($0) < order($1) }
    let positions = Dictionary(uniqueKeysWithValues: zip(tensors, tensors.indices))
    for slot in slots.indices {
      slots[slot].aIndex = positions[slots[slot].a] ?? 0
      slots[slot].bIndex = positions[slots[slot].b] ?? 0
    }
    positionOfTensor = positions
    firstUsers = [Int](repeating: 0, count: tensors.count)
    for slot in slots.indices.reversed() {
      firstUsers[slots[slot].aIndex] = slot
      firstUsers[slots[slot].bIndex] = slot
    }
  }

  private static func check(sites: [Site], strategy: SharingStrategy, r: Int) throws {
    guard !sites.isEmpty else { return }
    guard r >= 1 else { throw AdapterError.rankNotPositive(r) }
    var errors: [AdapterError] = []
    var first: [TensorKey: Site] = [:]
    for site in sites {
      if r > min(site.inFeatures, site.outFeatures) {
        errors.append(
          .rankTooLarge(rank: r, path: site.path, inFeatures: site.inFeatures, outFeatures: site.outFeatures))
      }
      for side in Side.allCases {
        let key = strategy.key(side, site)
        let other = first[key] ?? site
        first[key] = other
        let agrees = side == .a ? site.inFeatures == other.inFeatures : site.outFeatures == other.outFeatures
        if !agrees {
          errors.append(
            .shapesDiffer(
              strategy: strategy.name, side: side, module: site.module, first: other.path, second: site.path))
        }
      }
    }
    try ErrorList.throwIfAny(errors)
  }
}
