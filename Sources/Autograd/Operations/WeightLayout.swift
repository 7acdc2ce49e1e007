import Kernels

/// How a linear map's W lies in a checkpoint's tensor.
public enum WeightLayout: Sendable, Equatable {
  /// [out, in], as in `nn.Linear`.
  case rows
  /// [in, all outputs], as in GPT-2's `Conv1D`; these columns of it are the map.
  case columns(Range<Int>)
}

extension FrozenLinear {
  /// The length of the map's input.
  public var inFeatures: Int { layout == .rows ? weight.columns : weight.rows }
  /// The length of its output.
  public var outFeatures: Int { if case .columns(let range) = layout { range.count } else { weight.rows } }

  /// W [out, in] in the numbers of `weight`.
  func matrix(_ stored: Operand) -> Operand {
    switch layout {
    case .rows: stored
    case .columns(let range): stored.advanced(columns: range.lowerBound).transposed
    }
  }
}

extension LowRankAdapter {
  /// The adapter of some of the map's outputs: the same A, these rows of B.
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
