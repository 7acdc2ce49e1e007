import CKernels
import Kernels

/// The terms of `RelativePositions` in one pass of an attention, forward or backward.
///
/// Content to position needs A = Q keysᵀ [H, rows, W] for each block of queries, position to content B = K queriesᵀ
/// [H, n, W] for each sequence, where W rows of the tables occur: memory is linear in the length n, since W is bounded by
/// the table. Every score then picks one number of each.
final class RelativeScores {
  private let pass: AttentionPass
  private let positions: RelativePositions
  private let a: Buffer?, b: Buffer?
  private let da: Buffer?, db: Buffer?
  /// In bfloat16, what products read of `da` and `db`.
  private let narrowA: Buffer?, narrowB: Buffer?
  /// Sums of the tables' gradients.
  private let keySums: Buffer?, querySums: Buffer?
  /// The bias [H, W] of the sequence's rows.
  private let bias: Buffer?
  /// The row, counted from `first`, for each difference: number t is that of the last query's position − t.
  private let index: Buffer
  private var first = 0
  private var width = 0

  init(_ pass: AttentionPass, _ positions: RelativePositions, _ blocks: [AttentionBlock], hasGradients: Bool = false) {
    let tables = [positions.keys, positions.queries].compactMap { $0 }
    for table in tables {
      precondition(
        table.columns == pass.columns && table.precision == pass.precision && table.layout.sequences == 1)
    }
    precondition(positions.bias.map { $0.columns == pass.heads } ?? true)
    (self.pass, self.positions) = (pass, positions)
    let workspace = pass.workspace, heads = pass.heads
    let widths = blocks.map { $0.isFirst ? Products.padded(Self.rows(positions, $0.sequence).count) : 0 }
    let widest = widths.max() ?? 0
    let blockSize = heads * (blocks.map(\.rows).max() ?? 0) * widest
    let sequenceSize = heads * (blocks.map { Products.padded($0.total) }.max() ?? 0) * widest
    let narrows = hasGradients && pass.precision == .bfloat16
    func make(_ wanted: Bool, _ count: Int, _ precision: Precision = .float32) -> Buffer? {
      wanted ? workspace.allocate(count, precision) : nil
    }
    a = make(positions.keys != nil, blockSize)
    b = make(positions.queries != nil, sequenceSize)
    da = make(hasGradients && positions.keys != nil, blockSize)
    db = make(hasGradients && positions.queries != nil, sequenceSize)
    narrowA = make(narrows && positions.keys != nil, blockSize, .bfloat16)
    narrowB = make(narrows && positions.queries != nil, sequenceSize, .bfloat16)
    func sums(_ table: Tensor?) -> Buffer? {
      let sums =
        hasGradients && table?.needsGradient == true
        ? table.map { workspace.allocate($0.layout.allocatedRows * $0.columns) } : nil
      sums?.clear()
      return sums
    }
    (keySums, querySums) = (sums(positions.keys), sums(positions.queries))
    bias = make(positions.bias != nil, heads * widest)
    index = workspace.allocate(blocks.map { $0.total + $0.sequence.positions.count }.max() ?? 0)
  }

  /// The rows of the tables that occur in a sequence.
  private static func rows(_ positions: RelativePositions, _ sequence: AttentionBlock.Sequence) -> ClosedRange<Int> {
    let all = differences(sequence).map(positions.rows)
    return (all.min() ?? 0)...(all.max() ?? 0)
  }

  /// Query position − key position, from the last query and the first key on.
  private static func differences(_ sequence: AttentionBlock.Sequence) -> [Int] {
    let positions = sequence.positions
    return (0..<(sequence.keys.count + positions.count - 1)).map { positions.upperBound - 1 - $0 }
  }

  private var indices: UnsafeMutablePointer<Int32> {
    UnsafeMutableRawPointer(index.base).assumingMemoryBound(to: Int32.self)
  }

  /// Computes A of a block, and B of its sequence before the first one.
  func start(_ block: AttentionBlock) {
    if block.isFirst { start(block.sequence) }
    guard let keys = positions.keys, let a else { return }
    pass.workspace.products.multiply(heads: pass.heads, block.rows, width, pass.headSize) { _ in
      (
        pass.queries(pass.q.buffer, from: block.queries.lowerBound, 0), table(keys).transposed,
        matrix(a, .float32, rows: block.rows)
      )
    }
    if let da, da.computes { da.base.update(repeating: 0, count: pass.heads * block.rows * width) }
  }

  private func start(_ sequence: AttentionBlock.Sequence) {
    let rows = Self.rows(positions, sequence), heads = pass.heads
    (first, width) = (rows.lowerBound, Products.padded(rows.count))
    if index.computes {
      for (place, difference) in Self.differences(sequence).enumerated() {
        indices[place] = Int32(positions.rows(difference) - first)
      }
    }
    if let table = positions.bias, let bias, bias.computes {
      precondition(rows.lowerBound >= 0 && rows.upperBound < table.rows)
      let row = pass.workspace.allocate(heads)
      for (place, number) in rows.enumerated() {
        table.widen(range: (number * heads)..<((number + 1) * heads), into: row.base)
        for head in 0..<heads { bias.base[head * width + place] = row.base[head] }
      }
    }
    guard let queries = positions.queries, let b else { return }
    let padded = Products.padded(sequence.keys.count)
    pass.workspace.products.multiply(heads: heads, padded, width, pass.headSize) { _ in
      (
        pass.keys(pass.k.buffer, pass.precision, from: sequence.keys.lowerBound), table(queries).transposed,
        matrix(b, .float32, rows: padded)
      )
    }
    if let db, db.computes { db.base.update(repeating: 0, count: heads * padded * width) }
  }

  /// The rows of a table that occur, for all heads.
  private func table(_ tensor: Tensor) -> Operand {
    precondition(first >= 0 && first + width <= tensor.layout.allocatedRows)
    return pass.keys(tensor.buffer, pass.precision, from: first)
  }

  /// [H, rows, W].
  private func matrix(_ buffer: Buffer, _ precision: Precision, rows: Int) -> Operand {
    Operand(buffer.address(0, precision), precision, stride: width, headStride: rows * width)
  }

  /// The rows for a query and the block's first and later keys.
  private func rows(_ block: AttentionBlock, _ query: Int) -> UnsafeMutablePointer<Int32> {
    let position = block.positions.lowerBound + query
    return indices + block.sequence.positions.upperBound - 1 - position + block.reached.lowerBound
  }

  private func row(_ buffer: Buffer?, _ block: AttentionBlock, _ head: Int, _ query: Int)
    -> UnsafeMutablePointer<Float>?
  {
    buffer.map { $0.base + (head * block.rows + query) * width }
  }

  private func key(_ buffer: Buffer?, _ block: AttentionBlock, _ head: Int) -> UnsafeMutablePointer<Float>? {
    buffer.map { $0.base + (head * Products.padded(block.total) + block.reached.lowerBound) * width }
  }

  /// Turns the products q · k of a query into scores.
  func add(to s: UnsafeMutablePointer<Float>, _ block: AttentionBlock, _ head: Int, _ query: Int) {
    ck_relative_scores(
      s, pass.scale, rows(block, query), row(a, block, head, query), key(b, block, head), width,
      bias.map { $0.base + head * width }, block.reached.count)
  }

  /// Adds the gradient of the products to those of A and B.
  func addGradient(_ ds: UnsafePointer<Float>, _ block: AttentionBlock, _ head: Int, _ query: Int) {
    ck_relative_gradients(
      ds, rows(block, query), row(da, block, head, query), key(db, block, head), width, block.reached.count)
  }

  /// dQ += dA keys and dkeys += dAᵀ Q after a block; dK += dB queries and dqueries += dBᵀ K after the last one of a
  /// sequence. `dk` has all keys of the sequence.
  func finish(_ block: AttentionBlock, dq: Buffer?, dk: Operand?) {
    let heads = pass.heads, size = pass.headSize, products = pass.workspace.products
    if let keys = positions.keys, let da {
      let da = gradient(da, narrowA, rows: block.rows)
      if let dq {
        products.multiply(heads: heads, block.rows, size, width, accumulate: true) { _ in
          (da, table(keys), pass.queries(dq, from: block.queries.lowerBound, 0))
        }
      }
      if let keySums {
        products.multiply(heads: heads, width, size, block.rows, accumulate: true) { _ in
          (
            da.transposed, pass.queries(pass.q.buffer, from: block.queries.lowerBound, 0),
            pass.keys(keySums, .float32, from: first)
          )
        }
      }
    }
    guard block.isLast, let queries = positions.queries, let db else { return }
    let rows = Products.padded(block.total), gradient = gradient(db, narrowB, rows: rows)
    if let dk {
      products.multiply(heads: heads, rows, size, width, accumulate: true) { _ in (gradient, table(queries), dk) }
    }
    if let querySums {
      products.multiply(heads: heads, width, size, rows, accumulate: true) { _ in
        (
          gradient.transposed, pass.keys(pass.k.buffer, pass.precision, from: block.sequence.keys.lowerBound),
          pass.keys(querySums, .float32, from: first)
        )
      }
    }
  }

  /// A gradient [H, rows, W] in the precision of products.
  private func gradient(_ buffer: Buffer, _ narrow: Buffer?, rows: Int) -> Operand {
    guard let narrow else { return matrix(buffer, .float32, rows: rows) }
    pass.workspace.forEachRange(of: pass.heads * rows * width) {
      ck_narrow_bfloat16(narrow.bf16 + $0.lowerBound, buffer.base + $0.lowerBound, $0.count)
    }
    return matrix(narrow, .bfloat16, rows: rows)
  }

  /// Passes the sums on to the tables.
  func addToTables() {
    for (table, sums) in [(positions.keys, keySums), (positions.queries, querySums)] {
      guard let table, let sums else { continue }
      let gradient = table.shape.allocate(in: pass.workspace)
      if gradient.computes { gradient.store(sums.base, at: 0, table.count, table.precision) }
      table.slot.add(moving: gradient, in: pass.workspace)
    }
  }
}
