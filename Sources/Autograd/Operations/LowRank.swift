import CKernels
import Kernels

// The adapters' half of `linear`, forward and backward.
extension Tape {
  /// h = dropout(x) Aᵀ [N, R] for the stacked A's, then y_i = s_i h_i B_iᵀ. Returns h, its parts one after the other.
  func lowRankForward(_ x: ProductSource, _ outputs: [Tensor], _ stack: AdapterStack) -> Buffer {
    let all = TensorShape(layout: x.layout, columns: stack.rank, precision: precision).allocate(in: workspace)
    let dropped = dropped(x, stack), rows = x.layout.paddedRows
    let input = dropped.map { operand($0, stride: x.columns) } ?? x.operand
    let a = operand(stack.offset, rows: stack.rank, columns: x.columns)
    let products = workspace.products
    withExtendedLifetime((dropped, a.owner)) {
      products.multiply(
        rows, stack.rank, x.columns, input, a.operand.transposed, into: operand(all, stride: stack.rank))
    }
    let h = split(all, rows, stack)
    for part in stack.parts {
      let y = outputs[part.map], r = part.adapter.a.rows
      let b = operand(part.adapter.b.offset, rows: y.columns, columns: r, scale: part.adapter.scale)
      withExtendedLifetime(b.owner) {
        products.multiply(
          rows, y.columns, r, operand(h, part, rows), b.operand.transposed, into: y.shape.operand(y.buffer),
          byRows: true)
      }
    }
    return h
  }

  /// dB += s dyᵀ h;  dh = s dy B;  dA += dhᵀ dropout(x);  dx += dropout(dh A).
  func lowRankBackward(_ x: ProductSource, _ outputs: [GradientSlot], _ stack: AdapterStack, _ h: Buffer) {
    guard let gradients, stack.parts.contains(where: { outputs[$0.map].buffer != nil }) else { return }
    let products = workspace.products, rows = x.layout.paddedRows
    let dh = TensorShape(layout: x.layout, columns: stack.rank, precision: precision).allocate(in: workspace)
    var written = Set<Int>()
    if stack.parts.contains(where: { outputs[$0.map].buffer == nil }) {
      dh.clear()
      written = Set(stack.parts.map(\.column))
    }
    for part in stack.parts {
      let out = part.adapter.b.rows, r = part.adapter.a.rows
      guard let dy = outputs[part.map].operand else { continue }
      // dBᵀ = hᵀ dy, since products with few rows are faster than those with few columns.
      let db = workspace.allocate(r * out)
      products.multiply(
        r, out, rows, operand(h, part, rows).transposed, dy, into: Operand(db.base, stride: out))
      if workspace.computes {
        ck_add_transposed(gradients.base + part.adapter.b.offset, db.base, part.adapter.scale, r, out)
      }
      let b = operand(part.adapter.b.offset, rows: out, columns: r, scale: part.adapter.scale)
      withExtendedLifetime(b.owner) {
        products.multiply(
          rows, r, out, dy, b.operand, into: operand(dh, part, rows), accumulate: !written.insert(part.column).inserted)
      }
    }
    let beside = joined(dh, rows, stack), derivative = operand(beside, stride: stack.rank)
    let dropped = dropped(x, stack)
    let input = dropped.map { operand($0, stride: x.columns) } ?? x.operand
    withExtendedLifetime((dropped, beside)) {
      products.multiply(
        stack.rank, x.columns, rows, derivative.transposed, input,
        into: Operand(gradients.base + stack.offset, stride: x.columns), accumulate: true)
    }
    guard x.needsGradient else { return }
    let a = operand(stack.offset, rows: stack.rank, columns: x.columns)
    withExtendedLifetime((a.owner, beside)) {
      if dropped == nil {
        let (dx, isFresh) = x.slot.accumulator(in: workspace)
        products.multiply(
          rows, x.columns, stack.rank, derivative, a.operand, into: x.slot.shape.operand(dx), accumulate: !isFresh,
          byRows: true)
      } else {
        let through = x.slot.shape.allocate(in: workspace)
        products.multiply(
          rows, x.columns, stack.rank, derivative, a.operand, into: x.slot.shape.operand(through), byRows: true)
        applyDropout(through, x.slot.shape, probability: stack.dropout, site: stack.dropoutSite)
        x.slot.add(moving: through, in: workspace)
      }
    }
  }

  /// A copy of x in the tape's precision with dropout applied; nil without dropout.
  private func dropped(_ x: ProductSource, _ stack: AdapterStack) -> Buffer? {
    guard stack.dropout > 0, dropoutSource != nil else { return nil }
    let shape = TensorShape(layout: x.layout, columns: x.columns, precision: precision)
    let copy = shape.allocate(in: workspace)
    if workspace.computes {
      UnsafeMutableRawPointer(copy.base).copyMemory(from: x.operand.base, byteCount: shape.count * precision.byteCount)
    }
    applyDropout(copy, shape, probability: stack.dropout, site: stack.dropoutSite)
    return copy
  }
}

// oneDNN has no fast path for the columns of a part of h, which have gaps between their rows.
extension Tape {
  /// A part of h [N, r], where the parts stand one after the other.
  private func operand(_ h: Buffer, _ part: AdapterStack.Part, _ rows: Int) -> Operand {
    let start = UnsafeMutableRawPointer(h.base) + rows * part.column * precision.byteCount
    return Operand(start, precision, stride: part.adapter.a.rows)
  }

  /// The columns of h [N, R] part by part.
  private func split(_ h: Buffer, _ rows: Int, _ stack: AdapterStack) -> Buffer {
    rearranged(h, rows, stack) { (from: $0, to: $1) }
  }

  /// The parts beside each other again.
  private func joined(_ parts: Buffer, _ rows: Int, _ stack: AdapterStack) -> Buffer {
    rearranged(parts, rows, stack) { (from: $1, to: $0) }
  }

  /// A copy whose rows go `from` one place `to` another, of a row's place in [N, R] and that in its part; h itself if there
  /// is one part.
  private func rearranged(
    _ h: Buffer, _ rows: Int, _ stack: AdapterStack, _ ways: (_ whole: Int, _ part: Int) -> (from: Int, to: Int)
  ) -> Buffer {
    guard stack.columns.count > 1 else { return h }
    let copy = workspace.allocate(rows * stack.rank, precision), bytes = precision.byteCount
    guard workspace.computes else { return copy }
    let source = UnsafeRawPointer(h.base), target = UnsafeMutableRawPointer(copy.base)
    for (column, rank) in stack.columns {
      for row in 0..<rows {
        let (from, to) = ways(row * stack.rank + column, rows * column + row * rank)
        (target + to * bytes).copyMemory(from: source + from * bytes, byteCount: rank * bytes)
      }
    }
    return copy
  }
}

/// Adapters whose A's form one matrix [R, in] in memory.
struct AdapterStack {
  struct Part {
    let map: Int
    let adapter: LowRankAdapter
    /// The first column of the adapter in h.
    let column: Int
  }

  var parts: [Part] = []
  var rank = 0
  var offset: Int { parts[0].adapter.a.offset }
  /// The first column of every distinct A, and its rank.
  var columns: [(column: Int, rank: Int)] {
    var columns: [(column: Int, rank: Int)] = []
    for part in parts where !columns.contains(where: { $0.column == part.column }) {
      columns.append((part.column, part.adapter.a.rows))
    }
    return columns
  }
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

  /// Whether the adapter's A is among these or directly after them in memory. With dropout, every adapter has its own
  /// input.
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
