import CKernels

/// A frozen matrix W [out, in] rounded to eight bits, for products in whole numbers.
///
/// W ∘ f is rounded by output row, with f [in] the column factors; what it multiplies is divided by them (SmoothQuant, arXiv
/// 2211.10438, section 4, where they are called smoothing factors). Sums of products are exact, so that they do not depend on
/// the order in which a machine adds them.
public struct Int8Matrix: Sendable {
  /// The outputs.
  public let rows: Int
  /// The inputs.
  public let columns: Int
  /// The factors of the inputs; maps of one x that have the same can share its rounded numbers.
  public let factors: ColumnFactors
  /// y = x Wᵀ.
  let forward: Pass
  /// dx = dy W.
  let backward: Pass

  /// One direction of the product.
  struct Pass: Sendable {
    /// What a row is multiplied by before it is rounded.
    let factors: FloatStorage
    /// What a row of sums is multiplied by.
    let scales: FloatStorage
    /// 128 times the sums of the rounded weights over the numbers of a row: rows are kept with 128 added.
    let corrections: ResidentMemory
    /// The rounded weights.
    let values: ResidentMemory
    let layout: Int8Layout
  }
}

/// How rounded weights lie in memory.
enum Int8Layout: Hashable, Sendable {
  /// [out, in], row by row.
  case rows
  /// oneDNN's own layout for products of this shape.
  case packed
}

/// What the inputs of a matrix are divided by before they are rounded, and its columns multiplied by: f [in].
public final class ColumnFactors: Sendable {
  /// f.
  let storage: FloatStorage
  /// 1 / f.
  let inverses: FloatStorage
  /// A copy of f.
  public var values: [Float] { storage[0..<storage.count] }

  /// Factors that are positive and finite.
  public init(_ values: [Float]) {
    storage = FloatStorage(values)
    inverses = FloatStorage(values.map { 1 / $0 })
  }

  /// √(max |x_j| / max |W_·j|): half of what an input's spikes ask for goes to the weights, in the logarithm; 1 where the
  /// weights or the inputs are zero.
  ///
  /// - Parameters:
  ///   - inputs: max |x_j|.
  ///   - weights: max |W_·j| over all matrices that read x.
  public convenience init(inputs: [Float], weights: [Float]) {
    self.init(
      zip(inputs, weights).map { x, w in
        let factor = (x / w).squareRoot()
        return x > 0 && w > 0 && factor.isNormal ? factor : 1
      })
  }
}

extension Int8Matrix {
  /// Rounds a weight.
  ///
  /// - Parameters:
  ///   - weight: as stored: [out, in], or its transpose if `isTransposed`.
  ///   - outputs: the outputs of it that the matrix has.
  ///   - isPacked: whether to keep the layout that products are fastest with, once for each direction: two bytes a weight.
  public init(
    _ weight: FrozenTensor, isTransposed: Bool = false, outputs: Range<Int>, factors: ColumnFactors, isPacked: Bool
  ) {
    let out = outputs.count, inputs = factors.storage.count
    let values = ResidentMemory(byteCount: out * inputs)
    let q = values.base.bindMemory(to: Int8.self, capacity: out * inputs)
    var scales = [Float](repeating: 0, count: out)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * inputs) { scratch in
      guard let row = scratch.baseAddress else { return }
      let columns = isTransposed ? StoredColumns(weight) : nil
      for (place, output) in outputs.enumerated() {
        if let columns {
          columns.copy(output, to: row)
        } else {
          weight.widen(range: (output * inputs)..<((output + 1) * inputs), into: row)
        }
        scales[place] = ck_int8_round_weights(q + place * inputs, row, factors.storage.base, row + inputs, inputs)
      }
    }
    self.init(values, rows: out, factors: factors, scales: FloatStorage(scales), isPacked: isPacked)
  }

  private init(_ values: ResidentMemory, rows: Int, factors: ColumnFactors, scales: FloatStorage, isPacked: Bool) {
    let columns = factors.storage.count
    let q = values.base.assumingMemoryBound(to: Int8.self)
    var outputSums = [Int32](repeating: 0, count: rows), inputSums = [Int32](repeating: 0, count: columns)
    inputSums.withUnsafeMutableBufferPointer { inputSums in
      for row in 0..<rows {
        var sum: Int32 = 0
        for column in 0..<columns {
          let value = Int32(q[row * columns + column])
          sum += value
          inputSums[column] += value
        }
        outputSums[row] = sum
      }
    }
    func pass(_ sums: [Int32], _ factors: FloatStorage, _ scales: FloatStorage, _ direction: ProductDirection) -> Pass {
      let corrections = ResidentMemory(byteCount: 4 * sums.count)
      corrections.base.initializeMemory(as: Int32.self, from: sums.map { 128 * $0 }, count: sums.count)
      let packed = isPacked ? Int8Products.pack(values, rows: rows, columns: columns, direction) : nil
      return Pass(
        factors: factors, scales: scales, corrections: corrections, values: packed ?? values,
        layout: packed == nil ? .rows : .packed)
    }
    self.init(
      rows: rows, columns: columns, factors: factors,
      forward: pass(outputSums, factors.inverses, scales, .forward),
      backward: pass(inputSums, scales, factors.inverses, .backward))
  }

  /// A matrix without numbers, for forward code that runs on shapes alone.
  public static func absent(rows: Int, columns: Int) -> Int8Matrix {
    let factors = ColumnFactors([Float](repeating: 1, count: columns)), none = ResidentMemory(byteCount: 0)
    let scales = FloatStorage([Float](repeating: 1, count: rows))
    func pass(_ factors: FloatStorage, _ scales: FloatStorage) -> Pass {
      Pass(factors: factors, scales: scales, corrections: none, values: none, layout: .rows)
    }
    return Int8Matrix(
      rows: rows, columns: columns, factors: factors, forward: pass(factors.inverses, scales),
      backward: pass(scales, factors.inverses))
  }

  /// The most inputs or outputs whose sums fit into 32 bits: 255 · 127 · count < 2³¹.
  public static let mostTerms = 66_000
}

/// The columns of a stored matrix, widened as a whole, since they lie apart.
private struct StoredColumns {
  private let floats: [Float]
  private let stride: Int

  init(_ weight: FrozenTensor) { (floats, stride) = (weight.floats(), weight.columns) }

  func copy(_ column: Int, to destination: UnsafeMutablePointer<Float>) {
    for row in 0..<(floats.count / stride) { destination[row] = floats[row * stride + column] }
  }
}

extension FrozenTensor {
  /// largest_j ← max(largest_j, |W_ij|) over the outputs i in `outputs` of a weight [out, in], or of its transpose.
  public func addColumnMagnitudes(of outputs: Range<Int>, isTransposed: Bool, to largest: inout [Float]) {
    largest.withUnsafeMutableBufferPointer { largest in
      guard let base = largest.baseAddress else { return }
      withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { scratch in
        guard let row = scratch.baseAddress else { return }
        for index in isTransposed ? 0..<rows : outputs {
          widen(range: (index * columns)..<((index + 1) * columns), into: row)
          if isTransposed {
            for output in outputs { base[index] = max(base[index], abs(row[output])) }
          } else {
            ck_max_magnitudes(base, row, columns)
          }
        }
      }
    }
  }
}
