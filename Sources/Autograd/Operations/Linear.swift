import Kernels

/// A frozen linear map: x Wᵀ + b, with W [out, in] and b [out].
public struct FrozenLinear: Sendable {
  /// W, as stored in the checkpoint.
  public let weight: FrozenTensor
  /// b in float32.
  public let bias: FrozenTensor?
  /// The layout of W in `weight`.
  public let layout: WeightLayout
  /// W as products take it; nil if they take it as it is stored, in the tape's precision.
  public let prepared: PreparedWeight?

  /// A map.
  public init(
    weight: FrozenTensor, bias: FrozenTensor?, layout: WeightLayout = .rows, prepared: PreparedWeight? = nil
  ) {
    self.weight = weight
    self.bias = bias
    self.layout = layout
    self.prepared = prepared
  }

  /// W as products in `precision` take it; nil if they take the stored one.
  func prepared(for precision: Precision) -> PreparedWeight? {
    switch prepared {
    case .int8 where precision == .bfloat16: prepared
    case .packed(let matrix) where matrix.precision == precision: prepared
    case .int8, .packed, nil: nil
    }
  }
}

/// A weight in a form that products read faster than the stored one.
public enum PreparedWeight: Sendable {
  /// Rounded to eight bits.
  case int8(Int8Matrix)
  /// In the products' own layout, in the tape's precision.
  case packed(PackedMatrix)
}

/// A low-rank adapter of one linear map: g ⊙ (W x + scale · B (A · dropout(x)) + S x) (Hu et al., arXiv 2106.09685,
/// section 4.1, where g is ones and S zero).
public struct LowRankAdapter: Sendable {
  /// A [r, in].
  public let a: ParameterReference
  /// B [out, r].
  public let b: ParameterReference
  /// g [out]; nil stands for ones.
  public let rowScale: ParameterReference?
  /// S; nil stands for zero.
  public let sparse: SparseReference?
  /// Where the gradient of W [out, in] is added; nil if nobody asks for it.
  public let weightGradient: ParameterReference?
  /// alpha / r, or alpha / √r.
  public let scale: Float
  /// The dropout probability on A's input.
  public let dropout: Float
  /// The number of this dropout in the model.
  public let dropoutSite: Int

  /// An adapter.
  public init(
    a: ParameterReference, b: ParameterReference, rowScale: ParameterReference? = nil, sparse: SparseReference? = nil,
    weightGradient: ParameterReference? = nil, scale: Float, dropout: Float, dropoutSite: Int
  ) {
    self.a = a
    self.b = b
    self.rowScale = rowScale
    self.sparse = sparse
    self.weightGradient = weightGradient
    self.scale = scale
    self.dropout = dropout
    self.dropoutSite = dropoutSite
  }
}

extension LowRankAdapter {
  /// The same adapter whose dropout has another number in the model.
  public func dropping(at site: Int) -> LowRankAdapter {
    LowRankAdapter(
      a: a, b: b, rowScale: rowScale, sparse: sparse, weightGradient: weightGradient, scale: scale, dropout: dropout,
      dropoutSite: site)
  }
}

/// A linear map with its adapter, if any.
public struct AdaptedLinear {
  let linear: FrozenLinear
  let adapter: LowRankAdapter?
  let addsBias: Bool
  /// The map's number among the model's; nil where nobody asks.
  let site: Int?

  /// The bias that the product adds. With a row scale, the bias is added after it.
  var productBias: FrozenTensor? { addsBias && adapter?.rowScale == nil ? linear.bias : nil }

  /// - Parameter addsBias: false leaves the bias to the next operation.
  public init(_ linear: FrozenLinear, adapter: LowRankAdapter?, addsBias: Bool = true, site: Int? = nil) {
    self.linear = linear
    self.adapter = adapter
    self.addsBias = addsBias
    self.site = site
  }
}

extension Tape {
  /// y_i = g_i ∘ (x W_iᵀ + s_i (x A_iᵀ) B_iᵀ + x S_iᵀ) + b_i for several maps of one x [N, in] → [N, out_i], in the tape's
  /// precision.
  ///
  /// Without dropout, A's that are adjacent in memory are multiplied as one matrix, and an A that several maps share only
  /// once, because products of rank 8 run at a fraction of the machine's rate. The base product is added to the
  /// adapter's, so that bfloat16 rounds the large sum once.
  public func linear(_ x: Tensor, _ maps: [AdaptedLinear]) -> [Tensor] {
    zip(maps, linear(x, unscaled: maps)).map { map, y in
      if let sparse = map.adapter?.sparse { addSparse(sparse, x, to: y) }
      guard let rowScale = map.adapter?.rowScale else { return y }
      return scaledColumns(y, rowScale, bias: map.addsBias ? map.linear.bias : nil)
    }
  }

  /// The same without row scales.
  private func linear(_ x: Tensor, unscaled maps: [AdaptedLinear]) -> [Tensor] {
    let outputs = maps.map { map in
      make(
        x.layout, columns: map.linear.outFeatures, needsGradient: x.needsGradient || map.adapter != nil,
        precision: precision)
    }
    precondition(x.layout.isPadded)
    let stacks = AdapterStack.group(maps)
    let source = x.source(precision, in: workspace)
    let hidden = stacks.map { lowRankForward(source, outputs, $0) }
    inputRanges?.note(maps, x)
    var rounded: (rows: Int8Rows, factors: ColumnFactors)?
    for (map, y) in zip(maps, outputs) {
      precondition(map.linear.inFeatures == x.columns)
      precondition(map.adapter.map { $0.a.columns == x.columns && $0.b.rows == y.columns } ?? true)
      withOptionalFloats(map.productBias) { bias in
        multiplyFrozen(map, source, into: y, bias: bias, rounded: &rounded)
      }
      // The bias was also added to the padding rows.
      if map.productBias != nil { y.clearPadding() }
    }
    // The derivatives keep the outputs' slots, not their values.
    let slots = outputs.map(\.slot)
    if x.needsGradient {
      record { [unowned self, slot = x.slot] in
        for (map, gradient) in zip(maps, slots) {
          multiplyFrozenBackward(map, gradient, into: slot)
        }
      }
    }
    if !stacks.isEmpty {
      record { [unowned self] in
        for (stack, h) in zip(stacks, hidden) { lowRankBackward(source, slots, stack, h) }
        for (map, slot) in zip(maps, slots) { addWeightGradient(map, source, slot) }
      }
    }
    return outputs
  }

  /// y ← x Wᵀ + bias, added to y if the map has an adapter. `rounded` keeps the rounded x for maps with the same factors.
  private func multiplyFrozen(
    _ map: AdaptedLinear, _ x: ProductSource, into y: Tensor, bias: UnsafePointer<Float>?,
    rounded: inout (rows: Int8Rows, factors: ColumnFactors)?
  ) {
    let rows = x.layout.paddedRows, target = y.shape.operand(y.buffer), accumulate = map.adapter != nil
    switch map.linear.prepared(for: precision) {
    case .int8(let matrix):
      if rounded?.factors !== matrix.factors {
        rounded = (matrix.rounded(x.operand.bf16, rows: rows, in: workspace), matrix.factors)
      }
      guard let rounded else { return }
      matrix.multiply(rounded.rows, into: target, accumulate: accumulate, bias: bias, in: workspace)
    case .packed(let matrix):
      workspace.products.multiply(
        rows, x.operand, matrix, .forward, into: target, accumulate: accumulate, bias: bias)
    case nil:
      multiplyFrozen(rows, x.operand, byTransposed: map.linear, into: target, accumulate: accumulate, bias: bias)
    }
  }

  /// dx += dy W.
  private func multiplyFrozenBackward(_ map: AdaptedLinear, _ y: GradientSlot, into x: GradientSlot) {
    guard let dy = y.operand else { return }
    let rows = y.shape.layout.paddedRows, (dx, isFresh) = x.accumulator(in: workspace), target = x.shape.operand(dx)
    switch map.linear.prepared(for: precision) {
    case .int8(let matrix):
      matrix.multiplyBackward(dy.bf16, rows: rows, into: target, accumulate: !isFresh, in: workspace)
    case .packed(let matrix):
      workspace.products.multiply(rows, dy, matrix, .backward, into: target, accumulate: !isFresh)
    case nil: multiplyFrozen(rows, dy, by: map.linear, into: target, accumulate: !isFresh)
    }
  }

  /// dW += dyᵀ x, where it is asked for.
  private func addWeightGradient(_ map: AdaptedLinear, _ x: ProductSource, _ output: GradientSlot) {
    guard let place = map.adapter?.weightGradient, let gradients, let dy = output.operand else { return }
    workspace.products.multiply(
      place.rows, place.columns, x.layout.paddedRows, dy.transposed, x.operand,
      into: Operand(gradients.base + place.offset, stride: place.columns), accumulate: true)
  }

  /// `linear` for one map.
  public func linear(_ x: Tensor, _ map: AdaptedLinear) -> Tensor {
    linear(x, [map])[0]
  }
}
