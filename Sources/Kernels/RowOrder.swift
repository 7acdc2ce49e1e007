/// The order in which a file has the rows of a query or key projection, head by head: llama.cpp, which turns neighbouring
/// rows, keeps row 2i + p of a head where transformers, which turns its halves, has row p·D/2 + i.
public struct RowOrder: Sendable, Equatable {
  /// D: the rows of a head.
  public let headSize: Int
  /// Rows of the whole tensor that stand before the first one.
  public private(set) var first = 0

  /// The order for heads of `headSize` rows, an even number.
  public init(headSize: Int) {
    precondition(headSize > 0 && headSize % 2 == 0)
    self.headSize = headSize
  }

  /// Where the file has the row `row`.
  public func stored(_ row: Int) -> Int {
    let whole = first + row, place = whole % headSize, half = headSize / 2
    return whole - place + place % half * 2 + place / half
  }

  /// The row that the file has at `stored`.
  public func original(_ stored: Int) -> Int {
    let place = stored % headSize
    return stored - place + place % 2 * (headSize / 2) + place / 2 - first
  }

  /// The order of the rows from `row` on.
  func dropping(_ row: Int) -> RowOrder {
    var order = self
    order.first += row
    return order
  }

  /// Stored rows that include those of `rows`: whole heads.
  func stored(_ rows: Range<Int>) -> Range<Int> {
    let start = (first + rows.lowerBound) / headSize * headSize
    return start..<((first + rows.upperBound + headSize - 1) / headSize * headSize)
  }
}
