import Models

/// The adapted maps of a model, as methods see them whose tensors reach over several.
public struct AdaptedMaps: Sendable {
  /// The maps, in model order.
  public let sites: [Site]
  /// Their ranks.
  public let ranks: [Int]
  /// The longest input.
  public let largestIn: Int
  /// The longest output.
  public let largestOut: Int
  private let layers: [String: [Int]]
  private let positions: [String: Int]

  /// The maps that are adapted.
  public init(_ sites: [Site], ranks: [Int]) {
    (self.sites, self.ranks) = (sites, ranks)
    largestIn = sites.map(\.inFeatures).max() ?? 0
    largestOut = sites.map(\.outFeatures).max() ?? 0
    layers = Dictionary(grouping: sites, by: \.module).mapValues { $0.map(\.layer).sorted() }
    positions = Dictionary(zip(sites.map(\.path), sites.indices)) { first, _ in first }
  }

  /// The largest rank of the maps of the site's module type.
  func largestRank(of site: Site) -> Int { zip(sites, ranks).filter { $0.0.module == site.module }.map(\.1).max() ?? 0 }

  /// The largest number up to `limit` that divides every size.
  func largestDivisor(upTo limit: Int) -> Int {
    var common = 0
    for var size in sites.flatMap({ [$0.inFeatures, $0.outFeatures] }) {
      while size > 0 { (common, size) = (size, common % size) }
    }
    return (1...limit).last { common % $0 == 0 } ?? 1
  }

  /// The place of a map in the order of the model.
  public func position(of site: Site) -> Int { positions[site.path] ?? 0 }

  /// How many layers have an adapted map of the site's module type.
  public func layerCount(of site: Site) -> Int { layers[site.module]?.count ?? 0 }

  /// Those layers, ascending.
  func layers(of site: Site) -> [Int] { layers[site.module] ?? [] }

  /// The longest input and the longest output in a layer.
  func largestSizes(inLayer layer: Int) -> (inFeatures: Int, outFeatures: Int) {
    sites.reduce((0, 0)) { largest, site in
      site.layer == layer ? (max(largest.0, site.inFeatures), max(largest.1, site.outFeatures)) : largest
    }
  }

  /// The place of the site's layer among those, from 0.
  public func layerIndex(of site: Site) -> Int { layers[site.module]?.firstIndex(of: site.layer) ?? 0 }
}
