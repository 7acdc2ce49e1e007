import Kernels

/// How the rows of a tensor form sequences: one after the other, without padding.
public final class PackedLayout: Sendable {
  /// The first row of each sequence, then the number of rows: B + 1 numbers.
  public let offsets: [Int]
  /// Each sequence's number in the optimiser step, which selects its dropout masks.
  public let examples: [Int]

  /// A layout of sequences with the given lengths.
  public init(lengths: [Int], examples: [Int]) {
    precondition(lengths.count == examples.count)
    var offsets = [0]
    for length in lengths { offsets.append(offsets[offsets.count - 1] + length) }
    self.offsets = offsets
    self.examples = examples
  }

  /// B.
  public var sequences: Int { examples.count }
  /// N: the tokens of all sequences.
  public var rows: Int { offsets[offsets.count - 1] }
  /// N rounded up for matrix products.
  public var paddedRows: Int { Products.padded(rows) }
  /// The rows that a tensor has memory for. Those beyond N are zero, since products read up to `paddedRows`, and
  /// products inside a sequence up to 15 rows beyond its end.
  public var allocatedRows: Int {
    (rows + Products.rowMultiple - 1) / Products.rowMultiple * Products.rowMultiple + Products.rowMultiple
  }
  /// The rows of sequence `index`.
  public func range(_ index: Int) -> Range<Int> { offsets[index]..<offsets[index + 1] }
  /// The same sequences, one row each.
  public func oneRowEach() -> PackedLayout {
    PackedLayout(lengths: Array(repeating: 1, count: sequences), examples: examples)
  }
}
