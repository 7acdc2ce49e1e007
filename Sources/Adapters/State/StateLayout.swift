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
    let rowScale: ParameterReference?
  }

  private(set) var tensors: [TensorKey: ParameterReference] = [:]
  private(set) var head: [ParameterReference] = []
  /// Of a method with a form, by the position of the site.
  private var products: [Product] = []
  private(set) var trainedAdapterCount = 0
  private(set) var trainedCount = 0
  private(set) var storageCount = 0

  init(_ table: SiteTable, _ head: [HeadParameter]) {
    let roles = Dictionary(uniqueKeysWithValues: zip(table.roles, table.roles.indices))
    let order = table.tensors.enumerated().sorted { left, right in
      let (l, r) = (left.element, right.element)
      return (roles[l.role] ?? 0, l.layer ?? -1, left.offset) < (roles[r.role] ?? 0, r.layer ?? -1, right.offset)
    }.map(\.element)
    for key in order where table.tensor(key).trains { tensors[key] = place(table.shape(key)) }
    trainedAdapterCount = storageCount
    self.head = head.map { place($0.shape) }
    trainedCount = storageCount
    for key in order where !table.tensor(key).trains { tensors[key] = place(table.shape(key)) }
    if let form = table.method.form { products = makeProducts(table, form) }
  }

  /// All A's, then all B's, then the row scales.
  private mutating func makeProducts(_ table: SiteTable, _ form: ProductForm) -> [Product] {
    let a = table.sites.map { place([form.rank($0, table.rank), $0.inFeatures]) }
    let b = table.sites.map { place([$0.outFeatures, form.rank($0, table.rank)]) }
    let rowScales = table.sites.map { form.scalesRows ? place([$0.outFeatures]) : nil }
    return table.sites.indices.map { Product(a: a[$0], b: b[$0], rowScale: rowScales[$0]) }
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
    return Product(a: a, b: b, rowScale: nil)
  }
}
