import Diagnostics

/// Plain LoRA: an A and a B for every adapted map, as PEFT has it and as any of our adapters can be written.
public struct ExpandedAdapter: Sendable, Equatable {
  /// One adapted map.
  public struct Entry: Sendable, Equatable {
    /// The map.
    public let site: Site
    /// Rows of A, columns of B. May differ between maps (PEFT's `rank_pattern`).
    public let rank: Int
    /// s in h = W x + s · B A x. May differ between maps (`alpha_pattern`).
    public let scale: Double
    /// A, [rank, in].
    public let a: [Float]
    /// B, [out, rank].
    public let b: [Float]

    /// An adapted map.
    public init(site: Site, rank: Int, scale: Double, a: [Float], b: [Float]) {
      self.site = site
      self.rank = rank
      self.scale = scale
      self.a = a
      self.b = b
    }
  }

  /// The adapted maps, in model order.
  public let entries: [Entry]
  /// The head's tensors by their names in the model.
  public let head: [String: HeadTensor]

  /// An adapter.
  public init(entries: [Entry], head: [String: HeadTensor]) {
    self.entries = entries
    self.head = head
  }

  /// The numbers that a run with `table` starts from (`init_from`): A and B as they are, whatever their scale was.
  ///
  /// The adapted maps and the ranks must be those of `table`, and maps that share a tensor in it must have equal
  /// numbers here. All violations are thrown at once.
  public func initialise(_ table: SiteTable) throws -> [TensorKey: [Float]] {
    var errors: [InitFromError] = []
    let byPath = Dictionary(entries.map { ($0.site.path, $0) }) { first, _ in first }
    let missing = table.sites.map(\.path).filter { byPath[$0] == nil }
    let unused = entries.map(\.site.path).filter { table.position(ofPath: $0) == nil }
    if !missing.isEmpty { errors.append(.missingSites(missing)) }
    if !unused.isEmpty { errors.append(.unusedSites(unused)) }
    var values: [TensorKey: [Float]] = [:]
    for key in table.tensors {
      let users = table.users(of: key).compactMap { byPath[table.sites[$0].path] }
      guard let first = users.first else { continue }
      if key.side == .a, let odd = users.first(where: { $0.rank != table.rank }) {
        errors.append(.rankDiffers(path: odd.site.path, adapter: odd.rank, config: table.rank))
      }
      let value = first.values(key.side)
      let others = users.filter { $0.values(key.side) != value }.map(\.site.layer)
      if !others.isEmpty {
        errors.append(
          .valuesDiffer(
            strategy: table.strategyName, side: key.side, module: key.module, firstLayer: first.site.layer,
            otherLayers: others))
      }
      values[key] = value
    }
    try ErrorList.throwIfAny(errors)
    return values
  }

  /// The same function as plain LoRA with one rank and one scale, for evaluation and merging: smaller ranks are filled
  /// up with zeros, and B's of another scale are multiplied by the ratio.
  public func uniform() throws -> (table: SiteTable, tensors: [TensorKey: [Float]], scale: Double) {
    let rank = entries.map(\.rank).max() ?? 0
    let scale = entries.map(\.scale).first { $0 != 0 } ?? 0
    let table = try SiteTable(sites: entries.map(\.site), strategy: .lora, r: rank)
    var tensors: [TensorKey: [Float]] = [:]
    for (position, entry) in entries.enumerated() {
      let ratio = scale == 0 ? 0 : Float(entry.scale / scale)
      tensors[table.key(.a, ofSiteAt: position)] =
        entry.a + [Float](repeating: 0, count: (rank - entry.rank) * entry.site.inFeatures)
      tensors[table.key(.b, ofSiteAt: position)] = (0..<entry.site.outFeatures).flatMap { row in
        (0..<rank).map { $0 < entry.rank ? entry.b[row * entry.rank + $0] * ratio : 0 }
      }
    }
    return (table, tensors, scale)
  }
}

extension ExpandedAdapter.Entry {
  /// A or B.
  public func values(_ side: Side) -> [Float] { side == .a ? a : b }
}
