import RunStore

/// Which layers of a module use one B, from a run's merges.
public struct SharingMap: Sendable, Equatable {
  /// The module type.
  public let module: String
  /// How many layers the module is in.
  public let layers: Int
  /// The merges, in their order.
  public let merges: [MergeRecord]

  /// The maps of a run, a module each, in the order of the first merges; empty where nothing was merged.
  public static func maps(of run: RecordedRun) -> [SharingMap] {
    var order: [String] = []
    for merge in run.merges where !order.contains(merge.module) { order.append(merge.module) }
    return order.map { module in
      let merges = run.merges.filter { $0.module == module }
      // Every layer had a B of its own before the first merge.
      let start = (merges.first?.groupsLeft ?? 0) + 1
      let highest = merges.map { max($0.lowerLayer, $0.upperLayer) }.max() ?? 0
      return SharingMap(module: module, layers: max(start, highest + 1), merges: merges)
    }
  }

  /// The layer whose B each layer uses, from layer 0 on, after the first `count` merges (nil: all).
  public func owners(after count: Int? = nil) -> [Int] {
    var owners = Array(0..<layers)
    for merge in merges.prefix(count ?? merges.count) {
      for layer in owners.indices where owners[layer] == merge.lowerLayer { owners[layer] = merge.upperLayer }
    }
    return owners
  }

  /// The layers of every B at the end, lowest first: `(layers: [0, 1, 2], owner: 2)`.
  public var groups: [(layers: [Int], owner: Int)] {
    let owners = owners()
    var seen: Set<Int> = []
    return owners.filter { seen.insert($0).inserted }.map { owner in
      (owners.indices.filter { owners[$0] == owner }, owner)
    }
  }
}
