import Autograd
import Foundation
import Kernels

/// What is made of a model's linear maps when they are loaded, so that products are fast.
enum WeightPreparation {
  /// They are rounded to eight bits.
  case int8(Int8Factors, isPacked: Bool)
  /// Shapes alone of the same.
  case absentInt8
  /// They are laid out as products in a precision want them.
  case packed(Precision)

  /// `map` with its weight prepared. The pages of the weight's file are released.
  func prepare(_ map: FrozenLinear, _ path: String) -> FrozenLinear {
    let prepared: PreparedWeight?
    switch self {
    case .absentInt8: prepared = .int8(.absent(rows: map.outFeatures, columns: map.inFeatures))
    case .int8(let factors, let isPacked):
      // What the first tokens did not reach is rounded as it is.
      let own = factors[path] ?? ColumnFactors([Float](repeating: 1, count: map.inFeatures))
      prepared = .int8(map.rounded(own, isPacked: isPacked))
    case .packed(let precision): prepared = map.packed(precision).map { .packed($0) }
    }
    map.weight.forget(0..<map.weight.count)
    return FrozenLinear(weight: map.weight, bias: map.bias, layout: map.layout, prepared: prepared)
  }
}

extension ModelGeometry {
  /// The numbers of all linear maps.
  private var mapWeights: Int {
    sites.filter { $0.slice == nil }.reduce(0) { $0 + $1.inFeatures * $1.outFeatures }
  }

  /// Bytes that a weight takes on this machine when it is rounded to eight bits: one, or two where there is memory for both
  /// layouts that products are fastest with. Results are the same.
  public var int8BytesPerWeight: Int {
    UInt64(2 * mapWeights) < 2 * ProcessInfo.processInfo.physicalMemory / 3 ? 2 : 1
  }

  /// Throws if a map is so wide that sums of its products could overflow in int8.
  public func requireInt8Sums() throws {
    for site in sites where max(site.inFeatures, site.outFeatures) > Int8Matrix.mostTerms {
      throw ModelError.tooWideForInt8(
        map: site.path, features: max(site.inFeatures, site.outFeatures), limit: Int8Matrix.mostTerms)
    }
  }

  /// Whether a language model's head is to be packed for training in `precision`: where both layouts take no more than a
  /// sixteenth of the machine's memory. Results are the same.
  public func packsHead(_ precision: Precision) -> Bool {
    let bytes = 2 * precision.byteCount * config.vocabularySize * config.hiddenSize
    return Products.hasPackedLayouts && UInt64(bytes) < ProcessInfo.processInfo.physicalMemory / 16
  }

  /// Whether the weights are to be packed for training in `precision`: where both layouts take no more than an eighth of
  /// the machine's memory. Results are the same.
  public func packs(_ precision: Precision) -> Bool {
    Products.hasPackedLayouts
      && UInt64(2 * precision.byteCount * mapWeights) < ProcessInfo.processInfo.physicalMemory / 8
  }
}
