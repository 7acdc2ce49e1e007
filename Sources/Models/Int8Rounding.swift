import Autograd
import Checkpoints
import Foundation
import Kernels

/// How a model's linear maps are rounded to eight bits.
enum Int8Rounding {
  case factors(Int8Factors, isPacked: Bool)
  /// Shapes alone.
  case absent

  /// `map` with its weight rounded. The pages of the weight's file are released.
  func round(_ map: FrozenLinear, _ path: String) -> FrozenLinear {
    let matrix: Int8Matrix
    switch self {
    case .absent: matrix = .absent(rows: map.outFeatures, columns: map.inFeatures)
    case .factors(let factors, let isPacked):
      // What the first tokens did not reach is rounded as it is.
      let own = factors[path] ?? ColumnFactors([Float](repeating: 1, count: map.inFeatures))
      matrix = map.rounded(own, isPacked: isPacked)
      map.weight.forget(0..<map.weight.count)
    }
    return FrozenLinear(weight: map.weight, bias: map.bias, layout: map.layout, int8: matrix)
  }

  /// Whether the machine has the memory for both layouts that products are fastest with.
  static func packs(_ geometry: ModelGeometry) -> Bool {
    let weights = geometry.sites.filter { $0.slice == nil }.reduce(0) { $0 + $1.inFeatures * $1.outFeatures }
    return UInt64(2 * weights) < 2 * ProcessInfo.processInfo.physicalMemory / 3
  }
}

extension ModelGeometry {
  /// Bytes that a weight takes on this machine when it is rounded to eight bits.
  public var int8BytesPerWeight: Int { Int8Rounding.packs(self) ? 2 : 1 }
}

extension Int8Factors {
  /// The factors for inputs of linear maps as large as `ranges` says, which has the sites' numbers, and the weights of
  /// `directory`.
  public init(_ ranges: [InputRanges.Group], _ geometry: ModelGeometry, _ directory: WeightFiles) throws {
    let named = geometry.parts.flatMap(\.namedTensors).filter { directory.contains($0.name) }
    let shapes = Dictionary(named) { first, _ in first }
    self.init(
      try ranges.map { range in
        let sites = range.sites.map { geometry.sites[$0] }
        var weights = [Float](repeating: 0, count: range.largest.count)
        for site in sites {
          let name = (site.slice?.path ?? site.path) + ".weight"
          // A part that the checkpoint lacks is small, and is rounded as it is.
          guard let shape = shapes[name], let tensor = try directory.tensors([(name, shape)])[name] else { continue }
          let first = site.slice?.firstRow ?? 0
          tensor.addColumnMagnitudes(
            of: first..<(first + site.outFeatures), isTransposed: geometry.map(of: site)?.isTransposed == true, to: &weights)
        }
        return Group(paths: sites.map(\.path), factors: ColumnFactors(inputs: range.largest, weights: weights))
      })
  }
}
