import Kernels

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
  /// The merge that is due for `module` after `step`, or nil if one group is left.
  ///
  /// The pair of candidate groups with the smallest distance; among equals the first, lower group before upper. With
  /// the metric `random` any pair, drawn from `philox` by step and module. `a` gives the present numbers of an A, which
  /// the `effective` metrics need.
  func nextMerge(
    module: String, step: Int, table: SiteTable, means: RunningMeans, philox: Philox, a: (TensorKey) -> [Float]
  ) -> GroupMerge? {
    let keys = table.tensors.filter { $0.role == .b && $0.module == module }
    guard keys.count > 1 else { return nil }
    let measure = GroupDistance(metric: options.metric, rank: table.rank(ofModule: module)) {
      table.tensors.first { $0.role == .a && $0.module == module }.map(a) ?? []
    }
    var candidates: [GroupMerge] = []
    for lower in 0..<(keys.count - 1) {
      let last = options.candidates == .all ? keys.count - 1 : lower + 1
      for upper in (lower + 1)...last {
        guard let i = keys[lower].layer, let j = keys[upper].layer,
          let first = means.values[keys[lower]], let second = means.values[keys[upper]]
        else { continue }
        let distance = measure.distance(first, second)
        candidates.append(
          GroupMerge(
            step: step, module: module, lowerLayer: i, upperLayer: j, distance: distance, groupsLeft: keys.count - 1))
      }
    }
    if options.metric == .random {
      return candidates.isEmpty ? nil : candidates[philox.mergedPair(of: candidates.count, module: module, step: step)]
    }
    return candidates.filter { $0.distance < .infinity }.min { $0.distance < $1.distance }
  }
}

extension Philox {
  /// One of `count` pairs, for a module after a step: a function of the seed and of these, as all random numbers are.
  fileprivate func mergedPair(of count: Int, module: String, step: Int) -> Int {
    let words = words(2, purpose: .merging, stream: Self.stream(named: "\(module) \(step)"))
    // The high half of a 128-bit product is uniform to 2^-64 without rejection.
    return Int((UInt64(words[0]) << 32 | UInt64(words[1])).multipliedFullWidth(by: UInt64(count)).high)
  }
}

/// How dissimilar the mean B's of two groups are, summed in double precision.
private struct GroupDistance {
  private let metric: ASLoRAOptions.Metric
  private let rank: Int
  /// A Aᵀ, [r, r]; empty unless the metric is one of the `effective` ones.
  private let gram: [Double]

  /// `a` gives A, [r, in]; only the `effective` metrics ask for it.
  init(metric: ASLoRAOptions.Metric, rank: Int, a: () -> [Float]) {
    self.metric = metric
    self.rank = rank
    let numbers = [.effective, .effectiveScaled].contains(metric) ? a() : [], columns = numbers.count / rank
    func row(_ index: Int) -> ArraySlice<Float> { numbers[(index * columns)..<((index + 1) * columns)] }
    gram = columns == 0 ? [] : (0..<rank).flatMap { i in (0..<rank).map { Self.dot(row(i), row($0)) } }
  }

  /// The distance of two matrices, [out, r].
  func distance(_ first: [Float], _ second: [Float]) -> Double {
    switch metric {
    case .l2, .random:
      return zip(first, second).reduce(0) { sum, pair in
        let difference = Double(pair.0) - Double(pair.1)
        return sum + difference * difference
      }.squareRoot()
    case .effective: return effective(first, second)
    case .effectiveScaled:
      let zero = [Float](repeating: 0, count: first.count)
      let norms = effective(first, zero) + effective(second, zero)
      return norms == 0 ? 0 : effective(first, second) / norms
    case .cosine:
      let squares = (Self.dot(first, first), Self.dot(second, second))
      if squares.0 == 0 || squares.1 == 0 { return squares.0 == squares.1 ? 0 : 1 }
      return max(0, 1 - Self.dot(first, second) / (squares.0.squareRoot() * squares.1.squareRoot()))
    }
  }

  /// ‖D A‖_F² = Σ over the rows d of D of d (A Aᵀ) dᵀ, so that the [out, in] product is never formed.
  private func effective(_ first: [Float], _ second: [Float]) -> Double {
    var sum = 0.0
    for row in stride(from: 0, to: first.count, by: rank) {
      let difference = (row..<(row + rank)).map { Double(first[$0]) - Double(second[$0]) }
      for i in 0..<rank {
        for j in 0..<rank { sum += difference[i] * gram[i * rank + j] * difference[j] }
      }
    }
    return max(0, sum).squareRoot()
  }

  private static func dot(_ a: some Sequence<Float>, _ b: some Sequence<Float>) -> Double {
    zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
  }
}
