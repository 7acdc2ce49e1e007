import Autograd
import Models

/// Where the numbers of a state lie in its flat storages: trained tensors, the head, tensors that are not trained, and
/// what a method's form makes of them.
///
/// Tensors of one role lie together, layer by layer, so that the A's of maps that read the same input are neighbours and
/// multiply as one matrix.
struct StateLayout: Sendable {
  /// What the kernel multiplies at a site.
  struct Product: Sendable {
    let a: ParameterReference
    let b: ParameterReference
    var rowScale: ParameterReference?
    var sparse: ParameterReference?
  }

  private(set) var tensors: [TensorKey: ParameterReference] = [:]
  private(set) var head: [ParameterReference] = []
  /// Of a method with a form, by the position of the site.
  private var products: [Product] = []
  /// Learning rates of the adapter's trained numbers, in units of the run's.
  private(set) var adapterRates: [(range: Range<Int>, factor: Double)] = []
  private(set) var trainedCount = 0
  private(set) var storageCount = 0

  init(_ table: SiteTable, _ head: [HeadParameter]) {
    let roles = Dictionary(uniqueKeysWithValues: zip(table.roles, table.roles.indices))
    let order = table.tensors.enumerated().sorted { left, right in
      let (l, r) = (left.element, right.element)
      return (roles[l.role] ?? 0, l.layer ?? -1, left.offset) < (roles[r.role] ?? 0, r.layer ?? -1, right.offset)
    }.map(\.element)
    for key in order where table.tensor(key).trains {
      let reference = place(table.shape(key)), factor = table.tensor(key).rateFactor
      tensors[key] = reference
      if let last = adapterRates.last, last.factor == factor {
        adapterRates[adapterRates.count - 1].range = last.range.lowerBound..<reference.range.upperBound
      } else {
        adapterRates.append((reference.range, factor))
      }
    }
    self.head = head.map { place($0.shape) }
    trainedCount = storageCount
    for key in order where !table.tensor(key).trains { tensors[key] = place(table.shape(key)) }
    if let form = table.method.form { products = makeProducts(table, form) }
  }

  /// All A's, then all B's, then the row scales and the sparse numbers.
  private mutating func makeProducts(_ table: SiteTable, _ form: ProductForm) -> [Product] {
    let a = zip(table.sites, table.ranks).map { place([form.rank($0, $1, table.maps), $0.inFeatures]) }
    let b = zip(table.sites, table.ranks).map { place([$0.outFeatures, form.rank($0, $1, table.maps)]) }
    let rowScales = table.sites.map { form.scalesRows ? place([$0.outFeatures]) : nil }
    return table.sites.indices.map { position in
      let sparse = form.sparse?.count(table.sites[position], table.ranks[position], table.maps) ?? 0
      return Product(
        a: a[position], b: b[position], rowScale: rowScales[position], sparse: sparse > 0 ? place([sparse]) : nil)
    }
  }

  private mutating func place(_ shape: [Int]) -> ParameterReference {
    let reference = ParameterReference(offset: storageCount, rows: shape[0], columns: shape.count > 1 ? shape[1] : 1)
    storageCount += reference.count
    return reference
  }

  /// What is multiplied at the site at `position`: the product of the form, else its A and B.
  func product(_ position: Int, _ table: SiteTable) -> Product? {
    if !products.isEmpty { return products[position] }
    guard let a = table.key(.a, ofSiteAt: position).flatMap({ tensors[$0] }),
      let b = table.key(.b, ofSiteAt: position).flatMap({ tensors[$0] })
    else { return nil }
    return Product(a: a, b: b)
  }
}
