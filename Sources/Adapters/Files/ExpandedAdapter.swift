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
    public let rowScale: [Float]?

    /// An adapted map.
    public init(site: Site, rank: Int, scale: Double, a: [Float], b: [Float], rowScale: [Float]? = nil) {
      self.site = site
      self.rank = rank
      self.scale = scale
      self.a = a
      self.b = b
      self.rowScale = rowScale
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
    if table.method.form != nil { throw InitFromError.otherMethod(config: table.method.name) }
    for key in table.tensors {
      let users = table.users(of: key).compactMap { byPath[table.sites[$0].path] }
      guard let first = users.first else { continue }
      if key.role == .a, let odd = users.first(where: { $0.rank != table.rank }) {
        errors.append(.rankDiffers(path: odd.site.path, adapter: odd.rank, config: table.rank))
      }
      let value = first.values(key.role)
      let others = users.filter { $0.values(key.role) != value }.map(\.site.layer)
      if !others.isEmpty {
        errors.append(
          .valuesDiffer(
            strategy: table.method.name, role: key.role, module: key.module, firstLayer: first.site.layer,
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
    let table = try SiteTable(sites: entries.map(\.site), method: .lora, r: rank)
    var tensors: [TensorKey: [Float]] = [:]
    for entry in entries {
      let ratio = scale == 0 ? 0 : Float(entry.scale / scale), site = entry.site
      tensors[AdapterTensor.a(site, rank).key] =
        entry.a + [Float](repeating: 0, count: (rank - entry.rank) * site.inFeatures)
      tensors[AdapterTensor.b(site, rank).key] = (0..<site.outFeatures).flatMap { row in
        (0..<rank).map { $0 < entry.rank ? entry.b[row * entry.rank + $0] * ratio : 0 }
      }
    }
    return (table, tensors, scale)
  }
}

extension ExpandedAdapter.Entry {
  /// A or B.
  public func values(_ role: TensorRole) -> [Float] { role == .a ? a : b }
}

/// An adapter that another program's format cannot hold.
public struct NotPlainLoRA: UserFacingError, Equatable {
  /// The format asked for.
  public let format: String
  /// The first map that is more than a LoRA.
  public let path: String

  /// What is wrong, and what would be right.
  public var description: String {
    "--format \(format): \(path) scales the rows of its weight, which a plain LoRA cannot hold; use merge"
  }
  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }
}

extension ExpandedAdapter {
  /// Throws where an entry is more than A and B.
  func requirePlain(format: String) throws {
    if let entry = entries.first(where: { $0.rowScale != nil }) {
      throw NotPlainLoRA(format: format, path: entry.site.path)
    }
  }
}
