/// One merge of two groups of layers. A group goes by its highest layer, which names its B.
public struct GroupMerge: Sendable, Equatable {
  /// The optimiser step after which the groups merge.
  public let step: Int
  /// The module type.
  public let module: String
  /// The group whose B is dropped.
  public let lowerLayer: Int
  /// The group whose B both use from then on.
  public let upperLayer: Int
  /// How dissimilar the groups' mean B's are.
  public let distance: Double
  /// Groups of the module type after the merge.
  public let groupsLeft: Int

  /// A merge.
  public init(step: Int, module: String, lowerLayer: Int, upperLayer: Int, distance: Double, groupsLeft: Int) {
    self.step = step
    self.module = module
    self.lowerLayer = lowerLayer
    self.upperLayer = upperLayer
    self.distance = distance
    self.groupsLeft = groupsLeft
  }

  /// The B that is dropped.
  public var lower: TensorKey { TensorKey(role: .b, module: module, layer: lowerLayer) }
  /// The B that both groups use from then on.
  public var upper: TensorKey { TensorKey(role: .b, module: module, layer: upperLayer) }
}

extension ASLoRAPlan {
  /// The merge that is due for `module` after `step`, or nil where one group is left.
  ///
  /// The pair of candidate groups with the smallest distance; among equals the first, lower group before upper. `a`
  /// gives the present numbers of an A; it is asked by the `effective` metric only.
  public func nextMerge(
    module: String, step: Int, table: SiteTable, means: RunningMeans, a: (TensorKey) -> [Float]
  ) -> GroupMerge? {
    let keys = table.tensors.filter { $0.role == .b && $0.module == module }
    guard keys.count > 1 else { return nil }
    let measure = GroupDistance(metric: metric, rank: table.rank) {
      table.tensors.first { $0.role == .a && $0.module == module }.map(a) ?? []
    }
    var best: GroupMerge?
    for lower in 0..<(keys.count - 1) {
      let last = candidates == .all ? keys.count - 1 : lower + 1
      for upper in (lower + 1)...last {
        guard let i = keys[lower].layer, let j = keys[upper].layer,
          let first = means.values[keys[lower]], let second = means.values[keys[upper]]
        else { continue }
        let distance = measure.distance(first, second)
        if distance < best?.distance ?? .infinity {
          best = GroupMerge(
            step: step, module: module, lowerLayer: i, upperLayer: j, distance: distance, groupsLeft: keys.count - 1)
        }
      }
    }
    return best
  }
}
