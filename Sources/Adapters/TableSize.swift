import Diagnostics

/// How many numbers a method has at the maps of a model. Options and ranks come from configs and from files, and a few of
/// them multiplied can be more than a machine has room for, or more than an integer can count.
struct TableSize {
  /// The most that a table may have: 4 TB.
  static let limit = 1 << 40

  /// Numbers of the tensors, and of the products that the method's form makes of them.
  let numbers: Int

  /// Throws `AdapterError.tooManyNumbers`.
  init(method: AdapterMethod, maps: AdaptedMaps, tensors: [AdapterTensor]) throws {
    var sum = Sum()
    for tensor in tensors { sum.add(tensor.shape) }
    if let form = method.form {
      for (site, rank) in zip(maps.sites, maps.ranks) {
        sum.add([form.rank(site, rank, maps), site.inFeatures + site.outFeatures])
        if form.scalesRows { sum.add([site.outFeatures]) }
        if let sparse = form.sparse { sum.add([sparse.count(site, rank, maps)]) }
      }
    }
    guard let numbers = sum.value, numbers <= Self.limit else {
      throw AdapterError.tooManyNumbers(strategy: method.title, limit: Self.limit)
    }
    self.numbers = numbers
  }

  /// A sum of products; nil once it cannot be counted.
  private struct Sum {
    private(set) var value: Int? = 0

    mutating func add(_ factors: [Int]) {
      var product = 1, isTooLarge = false
      for factor in factors {
        let (next, overflow) = product.multipliedReportingOverflow(by: factor)
        (product, isTooLarge) = (next, isTooLarge || overflow)
      }
      value = value.flatMap { value in
        let (sum, overflow) = value.addingReportingOverflow(product)
        return isTooLarge || overflow ? nil : sum
      }
    }
  }
}

extension SiteTable {
  /// Throws if this machine cannot hold the numbers: training has them four times, with their gradients and moments.
  public func requireRoom(limit: Int = InputFile.dataLimit) throws {
    let bytes = 4 * storageCount
    if bytes > limit { throw AdapterError.tooLarge(strategy: method.title, bytes: bytes, limit: limit) }
  }
}
