import Autograd
import Diagnostics
import Models

/// An A and a B for every adapted map, as PEFT has it and as any of our adapters can be written.
public struct ExpandedAdapter: Sendable, Equatable {
  /// One adapted map.
  public struct Entry: Sendable, Equatable {
    /// The map.
    public let site: Site
    /// Rows of A, columns of B. May differ between maps (PEFT's `rank_pattern`).
    public let rank: Int
    /// s in h = g ⊙ (W x + s · B A x). May differ between maps (`alpha_pattern`).
    public let scale: Double
    /// A, [rank, in].
    public let a: [Float]
    /// B, [out, rank].
    public let b: [Float]
    /// g, [out]; nil stands for ones, as in plain LoRA.
    public internal(set) var rowScale: [Float]?
    /// S; nil stands for zero.
    public internal(set) var sparse: SparseMatrix?
    /// m of DoRA, [out], of which g is made; nil without.
    public internal(set) var magnitude: [Float]?

    /// Whether it is a LoRA and nothing else.
    public var isPlain: Bool { rowScale == nil && sparse == nil }
  }

  /// The adapted maps, in model order.
  public let entries: [Entry]
  /// The head's tensors by their names in the model.
  public let head: [String: HeadTensor]

  /// The numbers that a run with `table` starts from (`init_from`): A as it is, B for the run's scales, so that the run
  /// starts at the same function. `scale` is that of the sites which have none of their own.
  ///
  /// The adapted maps and the ranks must be those of `table`, and maps that share a tensor in it must have equal
  /// numbers here. All violations are thrown at once.
  public func initialise(_ table: SiteTable, scale: Double) throws -> [TensorKey: [Float]] {
    if !table.method.design.takesPairs { throw AdapterError.otherMethod(config: table.method.title) }
    if let entry = entries.first(where: { !$0.isPlain }) {
      throw AdapterError.notPlain(path: entry.site.path, config: table.method.name)
    }
    var errors = misfits(table)
    let byPath = Dictionary(entries.map { ($0.site.path, $0) }) { first, _ in first }
    var values: [TensorKey: [Float]] = [:], ranks: [(entry: Entry, rank: Int)] = []
    for key in table.tensors where key.role == .a || key.role == .b {
      let users = table.users(of: key).compactMap { position in
        byPath[table.sites[position].path].map { (entry: $0, position: position) }
      }
      guard let first = users.first else { continue }
      if key.role == .a {
        ranks += users.map { ($0.entry, table.ranks[$0.position]) }.filter { $0.0.rank != $0.1 }
      }
      func own(_ user: (entry: Entry, position: Int)) -> [Float] {
        key.role == .a ? user.entry.a : user.entry.b(scaledFor: table.scales[user.position] ?? scale)
      }
      let value = own(first)
      let others = users.filter { own($0) != value }.map(\.entry.site.layer)
      if !others.isEmpty {
        errors.append(
          .valuesDiffer(
            strategy: table.method.name, role: key.role, module: key.module, firstLayer: first.entry.site.layer,
            otherLayers: others))
      }
      values[key] = value
    }
    if let odd = ranks.first {
      errors.append(
        .rankDiffers(
          path: odd.entry.site.path, adapter: odd.entry.rank, config: odd.rank, others: ranks.count - 1))
    }
    try ErrorList.throwIfAny(errors)
    return values
  }

  /// How the adapted maps differ from those of `table`.
  public func misfits(_ table: SiteTable) -> [AdapterError] {
    let paths = entries.map(\.site.path), known = Set(paths)
    let missing = table.sites.map(\.path).filter { !known.contains($0) }
    let unused = paths.filter { table.position(ofPath: $0) == nil }
    return (missing.isEmpty ? [] : [.missingSites(missing)]) + (unused.isEmpty ? [] : [.unusedSites(unused)])
  }

  /// The same function as plain LoRA, each map with its own rank and scale, for evaluation and merging; or the A's and B's
  /// of another `method` that has them for every map.
  public func uniform(_ method: AdapterMethod = .lora) throws -> (
    table: SiteTable, tensors: [TensorKey: [Float]], scale: Double
  ) {
    if let entry = entries.first(where: { !$0.isPlain }) {
      throw AdapterError.notPlain(path: entry.site.path, config: AdapterMethod.lora.name)
    }
    let rank = entries.map(\.rank).max() ?? 0
    let scale = entries.map(\.scale).first { $0 != 0 } ?? 0
    let table = try SiteTable(
      sites: entries.map(\.site), method: method, r: rank, scale: scale, ranks: entries.map(\.rank),
      scales: entries.map { $0.scale == scale ? nil : $0.scale }, ranksAreBounded: false)
    var tensors: [TensorKey: [Float]] = [:]
    for entry in entries {
      tensors[AdapterTensor.a(entry.site, entry.rank).key] = entry.a
      tensors[AdapterTensor.b(entry.site, entry.rank).key] = entry.b
    }
    return (table, tensors, scale)
  }
}

extension ExpandedAdapter {
  /// Throws if an entry is more than A and B.
  func requirePlain(format: String) throws {
    if let entry = entries.first(where: { !$0.isPlain }) {
      throw AdapterFormatError.notPlainLoRA(format: format, path: entry.site.path)
    }
  }
}

extension ExpandedAdapter {
  /// The same function with every LoRA on a whole map of `geometry`.
  ///
  /// Slices of a fused map become one LoRA on the fused map: their A's stacked, their B's in the rows of the slice and
  /// the columns of its A, so that the rank is the sum of theirs.
  public func fused(_ geometry: ModelGeometry) -> ExpandedAdapter {
    let byPath = Dictionary(entries.map { ($0.site.path, $0) }) { first, _ in first }
    let whole = geometry.sites.filter { $0.slice == nil }.compactMap { site in
      byPath[site.path] ?? Self.fused(site, from: entries.filter { $0.site.slice?.path == site.path })
    }
    return ExpandedAdapter(entries: whole, head: head)
  }

  /// One LoRA on `site` from those on its slices, or nil if none is adapted.
  private static func fused(_ site: Site, from slices: [Entry]) -> Entry? {
    guard let scale = slices.first?.scale else { return nil }
    let rank = slices.reduce(0) { $0 + $1.rank }
    var b = [Float](repeating: 0, count: site.outFeatures * rank)
    var rowScale = slices.contains { $0.rowScale != nil } ? [Float](repeating: 1, count: site.outFeatures) : nil
    var column = 0, sparse = SparseMatrix()
    for entry in slices {
      if let own = entry.sparse { sparse.append(own, fromRow: entry.site.slice?.firstRow ?? 0) }
      let values = entry.b(scaledFor: scale)
      for row in 0..<entry.site.outFeatures {
        let whole = row + (entry.site.slice?.firstRow ?? 0), start = whole * rank + column
        if let own = entry.rowScale { rowScale?[whole] = own[row] }
        b.replaceSubrange(start..<(start + entry.rank), with: values[(row * entry.rank)..<((row + 1) * entry.rank)])
      }
      column += entry.rank
    }
    return Entry(
      site: site, rank: rank, scale: scale, a: slices.flatMap(\.a), b: b, rowScale: rowScale,
      sparse: sparse.values.isEmpty ? nil : sparse)
  }
}

extension ExpandedAdapter.Entry {
  /// B as another `scale` needs it for the same product s · B A; all zeros if either scale is 0.
  func b(scaledFor other: Double) -> [Float] {
    if scale == other { return b }
    let ratio = other == 0 ? 0 : Float(scale / other)
    return b.map { $0 * ratio }
  }
}

/// S [out, in]: numbers and their places.
public struct SparseMatrix: Sendable, Equatable {
  /// Where the numbers are.
  public private(set) var places = SparsePlaces(rows: [], columns: [])
  /// The numbers, in the order of the places.
  public private(set) var values: [Float] = []

  /// A matrix of zeros.
  init() {}

  init(places: SparsePlaces, values: [Float]) {
    precondition(places.count == values.count)
    (self.places, self.values) = (places, values)
  }

  /// Puts `other` below row `row`.
  mutating func append(_ other: SparseMatrix, fromRow row: Int) {
    places = SparsePlaces(
      rows: places.rows + other.places.rows.map { $0 + Int32(row) }, columns: places.columns + other.places.columns)
    values += other.values
  }
}
