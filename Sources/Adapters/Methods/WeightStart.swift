import Kernels
import Models

/// Numbers that tensors start with and that follow from the weights of their maps: factors of W, norms of its rows.
public struct WeightStart: Sendable {
  /// The tensors that it fills.
  public let roles: [TensorRole]
  /// Whether maps that share one of them start from the mean of their weights; otherwise sharing them is refused.
  public let takesMean: Bool
  /// The numbers for a weight. Throws where the weight has none.
  public let values: @Sendable (_ subject: Subject) throws -> [TensorRole: [Float]]

  /// What the numbers are made of.
  public struct Subject: Sendable {
    /// The first of the maps that share them.
    public let site: Site
    /// Its rank.
    public let rank: Int
    /// Its s.
    public let scale: Double
    /// Its weight, or the mean of all of them.
    public let weight: SiteWeight
    /// The run's generator.
    public let philox: Philox
    /// A stream of its own.
    public let stream: UInt64
  }

  /// A start.
  public init(
    of roles: [TensorRole], takesMean: Bool = false,
    values: @escaping @Sendable (_ subject: Subject) throws -> [TensorRole: [Float]]
  ) {
    (self.roles, self.takesMean, self.values) = (roles, takesMean, values)
  }
}

extension SiteTable {
  /// What the maps at the positions of `group` start from together.
  func startSubject(_ group: [Int], _ weights: BaseWeights?, _ philox: Philox) -> WeightStart.Subject {
    let site = sites[group[0]]
    guard let weight = SiteWeight.mean(group.compactMap { weights?.weight(of: sites[$0]) }) else {
      preconditionFailure("\(site.path): no base weight for its start")
    }
    return WeightStart.Subject(
      site: site, rank: ranks[group[0]], scale: scales[group[0]] ?? scale, weight: weight, philox: philox,
      stream: Philox.stream(named: "start \(site.path)"))
  }
}

extension WeightStart.Subject {
  /// The largest singular values of the weight with their vectors: exact ones, or with `iterations` those of a randomised
  /// decomposition, with `excess` random directions more than values, drawn by `philox` or the run's generator.
  func factors(
    of count: Int? = nil, excess: Int = 0, iterations: Int? = nil, philox: Philox? = nil
  ) throws -> SingularFactors {
    try decomposed {
      let (rows, columns) = (weight.outFeatures, weight.inFeatures)
      guard let iterations, let count else {
        return try Decompositions.singular(weight.floats(), rows: rows, columns: columns, count: count)
      }
      return try Decompositions.approximateSingular(
        weight.floats(), rows: rows, columns: columns, count: count, excess: excess, iterations: iterations,
        philox: philox ?? self.philox, stream: stream)
    }
  }

  /// Q and R of the weight.
  func orthogonalFactors() throws -> (q: [Float], r: [Float]) {
    try decomposed {
      try Decompositions.orthogonal(weight.floats(), rows: weight.outFeatures, columns: weight.inFeatures)
    }
  }

  /// The result of `decompose`. Throws what the user can read where the weight has no factors.
  func decomposed<Factors>(_ decompose: () throws -> Factors) throws -> Factors {
    do {
      return try decompose()
    } catch let error as DecompositionError {
      throw AdapterError.noFactors(path: site.path, error)
    }
  }
}
