import Checkpoints
import Kernels
import Models
import Synchronization

/// The frozen weights of a model's linear maps, for methods that start from them or measure them.
///
/// They are those of the checkpoint, in the type they have there, whatever the run's precision.
public struct BaseWeights: Sendable {
  private let weights: [String: SiteWeight]

  /// The weights of `sites` in the model's directory. A part that the checkpoint lacks is drawn as the run draws it.
  public init(_ directory: WeightFiles, _ geometry: ModelGeometry, sites: [Site], philox: Philox) throws {
    let drawn = geometry.missingParts(of: directory).flatMap { $0.fresh(philox: philox, config: geometry.config) }
    var tensors = Dictionary(drawn.map { ($0.name, $0.tensor) }) { first, _ in first }
    func isTransposed(_ site: Site) -> Bool { geometry.map(of: site)?.isTransposed == true }
    let named = geometry.parts.flatMap(\.namedTensors)
    let shapes = Dictionary(named.map { ($0.name, $0.shape) }) { first, _ in first }
    let wanted = Set(sites.map(Self.name)).filter { tensors[$0] == nil }.sorted()
    tensors.merge(try directory.tensors(wanted.map { ($0, shapes[$0] ?? []) })) { $1 }
    weights = Dictionary(
      sites.compactMap { site in
        tensors[Self.name(of: site)].map { (site.path, SiteWeight($0, site, isTransposed: isTransposed(site))) }
      }
    ) { first, _ in first }
  }

  /// Weights as they are, by the paths of their maps.
  public init(_ weights: [String: SiteWeight]) { self.weights = weights }

  /// The weight of a map; nil if it is not among the sites.
  public func weight(of site: Site) -> SiteWeight? { weights[site.path] }

  private static func name(of site: Site) -> String { (site.slice?.path ?? site.path) + ".weight" }
}

/// W [out, in] of one map, widened block by block where it is used.
public struct SiteWeight: Sendable {
  /// Rows of W.
  public let outFeatures: Int
  /// Columns of W.
  public let inFeatures: Int
  private let tensor: FrozenTensor
  /// Whether `tensor` is [in, ≥ out].
  let isTransposed: Bool
  private let firstRow: Int
  private let squares = RowSquares()

  /// The part of `tensor` that is the weight of `site`.
  init(_ tensor: FrozenTensor, _ site: Site, isTransposed: Bool) {
    (self.tensor, self.isTransposed) = (tensor, isTransposed)
    (outFeatures, inFeatures, firstRow) = (site.outFeatures, site.inFeatures, site.slice?.firstRow ?? 0)
  }

  /// How the checkpoint stores it.
  var elementType: ElementType { tensor.elementType }

  /// W itself.
  public init(_ values: [Float], outFeatures: Int, inFeatures: Int) {
    (self.outFeatures, self.inFeatures) = (outFeatures, inFeatures)
    (isTransposed, firstRow) = (false, 0)
    tensor = FrozenTensor(values, shape: [outFeatures, inFeatures])
  }

  /// The mean of several weights of one shape, summed in their order; nil without any.
  static func mean(_ weights: [SiteWeight]) -> SiteWeight? {
    guard let first = weights.first else { return nil }
    if weights.count == 1 { return first }
    var sum = [Double](repeating: 0, count: first.outFeatures * first.inFeatures)
    for weight in weights {
      for (index, value) in weight.floats().enumerated() { sum[index] += Double(value) }
    }
    return SiteWeight(
      sum.map { Float($0 / Double(weights.count)) }, outFeatures: first.outFeatures, inFeatures: first.inFeatures)
  }

  /// All of W, row by row.
  public func floats() -> [Float] {
    var values: [Float] = []
    values.reserveCapacity(outFeatures * inFeatures)
    forEachBlock { values += $1 }
    return values
  }

  /// W Aᵀ [out, rank] for A [rank, in].
  public func timesTransposed(_ a: [Float], rank: Int) -> [Float] {
    var product: [Float] = []
    product.reserveCapacity(outFeatures * rank)
    forEachBlock { product += Dense.product($0, rank, inFeatures, $1, a, transposesB: true) }
    return product
  }

  /// ‖W_i‖² of every row i, added up once.
  public func rowSquares() -> [Float] {
    squares.value {
      var squares: [Float] = []
      forEachBlock { squares += Dense.rowDots($1, $1, rows: $0) }
      return squares
    }
  }

  /// Calls `use` with blocks of rows, in order.
  private func forEachBlock(_ use: (_ rows: Int, _ values: [Float]) -> Void) {
    if isTransposed {
      // [in, columns] as Conv1D stores it; such models are small enough to be widened whole.
      let columns = tensor.columns
      let part = Dense.columns(tensor.floats(), of: columns, from: firstRow, count: outFeatures)
      return use(outFeatures, Dense.transposed(part, rows: inFeatures))
    }
    let block = max(1, (1 << 20) / max(1, inFeatures))
    for start in stride(from: 0, to: outFeatures, by: block) {
      let count = min(block, outFeatures - start)
      use(count, tensor.rows((firstRow + start)..<(firstRow + start + count)).floats())
    }
  }
}

/// What a weight and its copies keep once it has been computed.
private final class RowSquares: Sendable {
  private let kept = Mutex<[Float]?>(nil)

  func value(_ compute: () -> [Float]) -> [Float] {
    kept.withLock { kept in
      if let kept { return kept }
      let value = compute()
      kept = value
      return value
    }
  }
}
