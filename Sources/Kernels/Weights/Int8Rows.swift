import CKernels

/// Rows u [rows, columns] rounded to eight bits: the left side of products in whole numbers.
///
/// Each row has a scale: max |x| / 127. A row with spikes, whose other numbers would lose too much, has a second digit: what
/// the first left, 254 times as fine.
public struct Int8Rows {
  /// u, each number with 128 added.
  let values: Buffer
  let scales: Buffer
  let rows: Int
  let columns: Int
  /// The second digits; nil if no row has one.
  let rest: Rest?

  /// Second digits of some rows, in their order.
  struct Rest {
    let values: Buffer
    /// How many rows products take: with padding.
    let rows: Int
    /// For each of all rows its place among these, or -1.
    let places: [Int32]
  }

  /// Rounds x [rows, columns] in bfloat16, each column times its factor.
  ///
  /// - Parameter hasSecondDigit: whether rows with spikes get one.
  init(
    _ x: UnsafePointer<UInt16>, rows: Int, factors: FloatStorage, hasSecondDigit: Bool, in workspace: Workspace
  ) {
    let columns = factors.count
    values = workspace.allocate((rows * columns + 3) / 4)
    scales = workspace.allocate(rows)
    (self.rows, self.columns) = (rows, columns)
    let u = values.bytes, scales = scales.base, scratch = workspace.allocate(workspace.members * columns)
    let spikes = hasSecondDigit ? workspace.allocate((rows + 3) / 4) : nil
    workspace.forEachRange(of: rows, numbers: columns) { range, member in
      let first = range.lowerBound
      ck_int8_round(
        u + first * columns, scales + first, spikes.map { $0.bytes + first }, x + first * columns, factors.base,
        scratch.base + member * columns, Int8Products.spike, range.count, columns)
    }
    let flags = workspace.computes ? spikes.map { UnsafeBufferPointer(start: $0.bytes, count: rows) } : nil
    rest = flags.flatMap { Rest($0, x, u, scales, factors, in: workspace) }
  }
}

extension Int8Rows.Rest {
  /// Nil if there are no spikes.
  fileprivate init?(
    _ spikes: UnsafeBufferPointer<UInt8>, _ x: UnsafePointer<UInt16>, _ first: UnsafePointer<UInt8>,
    _ scales: UnsafePointer<Float>, _ factors: FloatStorage, in workspace: Workspace
  ) {
    let chosen = spikes.indices.filter { spikes[$0] != 0 }
    guard !chosen.isEmpty else { return nil }
    let columns = factors.count
    rows = Products.padded(chosen.count)
    values = workspace.allocate((rows * columns + 3) / 4)
    let u = values.bytes
    var places = [Int32](repeating: -1, count: spikes.count)
    for (place, row) in chosen.enumerated() {
      places[row] = Int32(place)
      ck_int8_second_digit(
        u + place * columns, x + row * columns, factors.base, first + row * columns, scales[row], columns)
    }
    (u + chosen.count * columns).update(repeating: 128, count: (rows - chosen.count) * columns)
    self.places = places
  }
}

extension Buffer {
  /// The block as bytes.
  var bytes: UnsafeMutablePointer<UInt8> { UnsafeMutableRawPointer(base).assumingMemoryBound(to: UInt8.self) }
  /// The block as whole numbers.
  var int32: UnsafeMutablePointer<Int32> { UnsafeMutableRawPointer(base).assumingMemoryBound(to: Int32.self) }
}
