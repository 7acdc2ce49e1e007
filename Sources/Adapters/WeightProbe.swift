import Autograd
import Models

/// Places for the gradients of some maps' weights, behind those of a state.
public struct WeightProbe: Sendable {
  /// The place of the gradient [out, in] of a map, by its position in the table.
  public private(set) var places: [Int: ParameterReference] = [:]
  /// Numbers of a storage that has them all.
  public private(set) var count: Int

  init(count: Int) { self.count = count }

  mutating func add(_ site: Site, at position: Int) {
    places[position] = ParameterReference(offset: count, rows: site.outFeatures, columns: site.inFeatures)
    count += site.outFeatures * site.inFeatures
  }
}

extension TrainableState {
  /// Places for the gradients of the weights of all adapted maps, behind those of this state, in parts of not many more
  /// than `limit` numbers.
  public func weightProbes(limit: Int) -> [WeightProbe] {
    var probes: [WeightProbe] = []
    for (position, site) in table.sites.enumerated() {
      let count = site.outFeatures * site.inFeatures
      if probes.last.map({ $0.count - storageCount + count > limit }) ?? true {
        probes.append(WeightProbe(count: storageCount))
      }
      probes[probes.count - 1].add(site, at: position)
    }
    return probes
  }
}
