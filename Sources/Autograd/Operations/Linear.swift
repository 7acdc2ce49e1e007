import Kernels

/// A frozen linear map: x Wᵀ + b, with W [out, in] and b [out].
public struct FrozenLinear: Sendable {
  /// W, as stored in the checkpoint.
  public let weight: FrozenTensor
  /// b in float32.
  public let bias: FrozenTensor?
  /// How W lies in `weight`.
  public let layout: WeightLayout

  /// A map.
  public init(weight: FrozenTensor, bias: FrozenTensor?, layout: WeightLayout = .rows) {
    self.weight = weight
    self.bias = bias
    self.layout = layout
  }
}

/// A low-rank adapter of one linear map: scale · B (A · dropout(x)) (Hu et al., arXiv 2106.09685, section 4.1).
public struct LowRankAdapter: Sendable {
  /// A [r, in].
  public let a: ParameterReference
  /// B [out, r].
  public let b: ParameterReference
  /// alpha / r, or alpha / √r.
  public let scale: Float
  /// Dropout's probability on A's input.
  public let dropout: Float
  /// Numbers the dropout's place.
  public let dropoutSite: Int

  /// An adapter.
  public init(a: ParameterReference, b: ParameterReference, scale: Float, dropout: Float, dropoutSite: Int) {
    self.a = a
    self.b = b
    self.scale = scale
    self.dropout = dropout
    self.dropoutSite = dropoutSite
  }
}

/// A linear map with the adapter it has at present, if any.
public struct AdaptedLinear {
  let linear: FrozenLinear
  let adapter: LowRankAdapter?
  let addsBias: Bool

  /// `addsBias` false leaves the bias to the next operation, which adds it in passing.
  public init(_ linear: FrozenLinear, adapter: LowRankAdapter?, addsBias: Bool = true) {
    self.linear = linear
    self.adapter = adapter
    self.addsBias = addsBias
  }
}

extension Tape {
  /// y_i = x W_iᵀ + b_i + s_i (x A_iᵀ) B_iᵀ for several maps of one x [N, in] → [N, out_i].
  ///
  /// A's without dropout that lie one after the other in memory are multiplied as one matrix, and an A that several maps
  /// name is multiplied once, since products of rank 8 run at a fraction of the machine's rate. Frozen weights get no
  /// gradient.
  public func linear(_ x: Tensor, _ maps: [AdaptedLinear]) -> [Tensor] {
    let outputs = maps.map { map in
      make(x.layout, columns: map.linear.outFeatures, needsGradient: x.needsGradient || map.adapter != nil)
    }
    for (map, y) in zip(maps, outputs) {
      precondition(map.linear.inFeatures == x.columns)
      precondition(map.adapter.map { $0.a.columns == x.columns && $0.b.rows == y.columns } ?? true)
      withFloats(map.linear.weight) { w in
        multiply(x.rows, y.columns, x.columns, x.view, map.linear.matrix(w).transposed, y.view)
      }
      if map.addsBias, let bias = map.linear.bias {
        withFloats(bias) { addBias(y.base, $0, rows: y.rows, columns: y.columns) }
      }
    }
    // The derivatives hold the outputs' slots, not their values.
    let slots = outputs.map(\.slot)
    let stacks = AdapterStack.group(maps)
    let hidden = stacks.map { lowRankForward(x, outputs, $0) }
    if x.needsGradient {
      let slot = x.slot, rows = x.rows, columns = x.columns
      record { [unowned self] in
        for (map, gradient) in zip(maps, slots) {
          let out = map.linear.outFeatures
          guard let dy = gradient.view(out) else { continue }
          let (dx, beta) = slot.accumulator(in: workspace)
          withFloats(map.linear.weight) { w in
            multiply(rows, columns, out, dy, map.linear.matrix(w), beta: beta, MatrixView(dx, stride: columns))
          }
        }
      }
    }
    if !stacks.isEmpty {
      record { [unowned self] in
        for (stack, h) in zip(stacks, hidden) { lowRankBackward(x, slots, stack, h) }
      }
    }
    return outputs
  }

  /// One map of x.
  public func linear(_ x: Tensor, _ map: AdaptedLinear) -> Tensor {
    linear(x, [map])[0]
  }

  /// h = dropout(x) Aᵀ [N, R] for the stacked A's, then y_i += s_i h_i B_iᵀ. Returns h.
  private func lowRankForward(_ x: Tensor, _ outputs: [Tensor], _ stack: AdapterStack) -> Buffer {
    let h = workspace.allocate(x.rows * stack.rank)
    let input = dropped(x, stack)
    multiply(
      x.rows, stack.rank, x.columns, input?.view(x.columns) ?? x.view,
      MatrixView(parameters.base + stack.offset, stride: x.columns).transposed, h.view(stack.rank))
    for part in stack.parts {
      let y = outputs[part.map], r = part.adapter.a.rows
      multiply(
        x.rows, y.columns, r, alpha: part.adapter.scale, MatrixView(h.base + part.column, stride: stack.rank),
        MatrixView(parameters.base + part.adapter.b.offset, stride: r).transposed, beta: 1, y.view)
    }
    return h
  }

  /// dB += s dyᵀ h;  dh = s dy B;  dA += dhᵀ dropout(x);  dx += dropout(dh A).
  private func lowRankBackward(_ x: Tensor, _ outputs: [GradientSlot], _ stack: AdapterStack, _ h: Buffer) {
    guard let gradients, stack.parts.contains(where: { outputs[$0.map].buffer != nil }) else { return }
    let dh = workspace.allocateZeros(x.rows * stack.rank)
    for part in stack.parts {
      let out = part.adapter.b.rows, r = part.adapter.a.rows
      guard let dy = outputs[part.map].view(out) else { continue }
      let scale = part.adapter.scale
      multiply(
        out, r, x.rows, alpha: scale, dy.transposed, MatrixView(h.base + part.column, stride: stack.rank),
        beta: 1,
        MatrixView(gradients.base + part.adapter.b.offset, stride: r))
      multiply(
        x.rows, r, out, alpha: scale, dy, MatrixView(parameters.base + part.adapter.b.offset, stride: r),
        beta: 1, MatrixView(dh.base + part.column, stride: stack.rank))
    }
    let input = dropped(x, stack)
    multiply(
      stack.rank, x.columns, x.rows, dh.view(stack.rank).transposed, input?.view(x.columns) ?? x.view, beta: 1,
      MatrixView(gradients.base + stack.offset, stride: x.columns))
    guard x.needsGradient else { return }
    let a = MatrixView(parameters.base + stack.offset, stride: x.columns)
    if input == nil {
      let (dx, beta) = x.slot.accumulator(in: workspace)
      multiply(
        x.rows, x.columns, stack.rank, dh.view(stack.rank), a, beta: beta, MatrixView(dx, stride: x.columns))
    } else {
      let through = workspace.allocate(x.count)
      multiply(x.rows, x.columns, stack.rank, dh.view(stack.rank), a, through.view(x.columns))
      applyDropout(
        through.base, layout: x.layout, columns: x.columns, probability: stack.dropout, site: stack.dropoutSite)
      x.slot.add(through.base, in: workspace)
    }
  }

  /// A copy of x with dropout applied, or nil where there is none.
  private func dropped(_ x: Tensor, _ stack: AdapterStack) -> Buffer? {
    guard stack.dropout > 0, dropoutSource != nil else { return nil }
    let copy = workspace.allocate(x.count)
    copy.base.update(from: x.base, count: x.count)
    applyDropout(copy.base, layout: x.layout, columns: x.columns, probability: stack.dropout, site: stack.dropoutSite)
    return copy
  }
}

/// Adapters whose A's form one matrix [R, in] in memory.
private struct AdapterStack {
  struct Part {
    let map: Int
    let adapter: LowRankAdapter
    /// First of the adapter's columns in h.
    let column: Int
  }

  var parts: [Part] = []
  var rank = 0
  var offset: Int { parts[0].adapter.a.offset }
  var dropout: Float { parts[0].adapter.dropout }
  var dropoutSite: Int { parts[0].adapter.dropoutSite }

  static func group(_ maps: [AdaptedLinear]) -> [AdapterStack] {
    var stacks: [AdapterStack] = []
    for (index, map) in maps.enumerated() {
      guard let adapter = map.adapter else { continue }
      if let place = stacks.firstIndex(where: { $0.takes(adapter) }) {
        stacks[place].append(index, adapter)
      } else {
        var stack = AdapterStack()
        stack.append(index, adapter)
        stacks.append(stack)
      }
    }
    return stacks
  }

  /// Whether the adapter's A is one of these or follows them in memory. Dropout gives each adapter an input of its own.
  private func takes(_ adapter: LowRankAdapter) -> Bool {
    guard dropout == 0, adapter.dropout == 0 else { return false }
    return column(of: adapter.a) != nil || offset + rank * adapter.a.columns == adapter.a.offset
  }

  private func column(of a: ParameterReference) -> Int? { parts.first { $0.adapter.a == a }?.column }

  private mutating func append(_ map: Int, _ adapter: LowRankAdapter) {
    let shared = column(of: adapter.a)
    parts.append(Part(map: map, adapter: adapter, column: shared ?? rank))
    if shared == nil { rank += adapter.a.rows }
  }
}

extension Buffer {
  func view(_ columns: Int) -> MatrixView { MatrixView(base, stride: columns) }
}
