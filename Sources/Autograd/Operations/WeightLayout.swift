import Kernels

/// The layout of a linear map's W in a checkpoint's tensor.
public enum WeightLayout: Sendable, Equatable {
  /// [out, in], as in `nn.Linear`.
  case rows
  /// [in, all outputs], as in GPT-2's `Conv1D`; the map has these columns.
  case columns(Range<Int>)
}

extension FrozenLinear {
  /// The size of the input.
  public var inFeatures: Int { layout == .rows ? weight.columns : weight.rows }
  /// The size of the output.
  public var outFeatures: Int { if case .columns(let range) = layout { range.count } else { weight.rows } }

  /// W rounded to eight bits.
  public func rounded(_ factors: ColumnFactors, isPacked: Bool) -> Int8Matrix {
    switch layout {
    case .rows: Int8Matrix(weight, outputs: 0..<outFeatures, factors: factors, isPacked: isPacked)
    case .columns(let range):
      Int8Matrix(weight, isTransposed: true, outputs: range, factors: factors, isPacked: isPacked)
    }
  }

  /// W in the layouts that products in `precision` are fastest with; nil where they have none.
  public func packed(_ precision: Precision) -> PackedMatrix? {
    switch layout {
    case .rows: PackedMatrix(weight, outputs: 0..<outFeatures, precision: precision)
    case .columns(let range): PackedMatrix(weight, isTransposed: true, outputs: range, precision: precision)
    }
  }

  /// W [out, in], given the stored `weight`.
  func matrix(_ stored: Operand) -> Operand {
    switch layout {
    case .rows: stored
    case .columns(let range): stored.advanced(columns: range.lowerBound).transposed
    }
  }
}

extension LowRankAdapter {
  /// The adapter of some of the map's outputs: the same A and these rows of B.
  public func outputs(_ range: Range<Int>) -> LowRankAdapter {
    precondition(range.upperBound <= b.rows)
    let rows = ParameterReference(
      offset: b.offset + range.lowerBound * b.columns, rows: range.count, columns: b.columns)
    let scales = rowScale.map {
      ParameterReference(offset: $0.offset + range.lowerBound, rows: range.count, columns: 1)
    }
    return LowRankAdapter(
      a: a, b: rows, rowScale: scales, scale: scale, dropout: dropout, dropoutSite: dropoutSite)
  }
}
