import Algorithms
import RunStore

/// The layers of a module that share a B, computed from a run's merges.
public struct SharingMap: Sendable, Equatable {
  /// The module type.
  public let module: String
  /// The number of layers with this module.
  public let layers: Int
  /// The merges, in order.
  public let merges: [MergeRecord]

  /// The maps of a run, one per module, in the order of their first merges; empty if nothing was merged.
  public static func maps(of run: RecordedRun) -> [SharingMap] {
    run.merges.map(\.module).uniqued().map { module in
      let merges = run.merges.filter { $0.module == module }
      // Before the first merge, every layer had its own B.
      let start = (merges.first?.groupsLeft ?? 0) + 1
      let highest = merges.map { max($0.lowerLayer, $0.upperLayer) }.max() ?? 0
      return SharingMap(module: module, layers: max(start, highest + 1), merges: merges)
    }
  }

  /// For each layer, the layer whose B it uses after the first `count` merges (nil: all).
  public func owners(after count: Int? = nil) -> [Int] {
    var owners = Array(0..<layers)
    for merge in merges.prefix(count ?? merges.count) {
      for layer in owners.indices where owners[layer] == merge.lowerLayer { owners[layer] = merge.upperLayer }
    }
    return owners
  }

  /// The layers that use each B at the end, lowest first: `(layers: [0, 1, 2], owner: 2)`.
  public var groups: [(layers: [Int], owner: Int)] {
    let owners = owners()
    return owners.uniqued().map { owner in
      (owners.indices.filter { owners[$0] == owner }, owner)
    }
  }
}
