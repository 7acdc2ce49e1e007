import Autograd
import Foundation
import Kernels

/// A matrix in double precision, for definitions written plainly.
struct Matrix {
  var values: [Double]
  let columns: Int

  init(_ values: [Double], columns: Int) {
    self.values = values
    self.columns = columns
  }

  init(rows: Int, columns: Int, _ element: (Int, Int) -> Double) {
    var values: [Double] = []
    values.reserveCapacity(rows * columns)
    for row in 0..<rows { for column in 0..<columns { values.append(element(row, column)) } }
    self.init(values, columns: columns)
  }

  /// The parameters that `reference` names.
  init(_ parameters: [Double], _ reference: ParameterReference) {
    self.init(Array(parameters[reference.range]), columns: reference.columns)
  }

  init(_ tensor: FrozenTensor) { self.init(tensor.floats().map(Double.init), columns: tensor.columns) }

  var rows: Int { values.count / columns }
  subscript(row: Int, column: Int) -> Double { values[row * columns + column] }
  func row(_ row: Int) -> [Double] { Array(values[row * columns..<(row + 1) * columns]) }

  /// self · otherᵀ.
  func timesTransposed(_ other: Matrix) -> Matrix {
    Matrix(rows: rows, columns: other.rows) { dot(values, $0 * columns, other.values, $1 * columns, columns) }
  }

  func map(_ body: (Double) -> Double) -> Matrix { Matrix(values.map(body), columns: columns) }
  /// Adds a row to every row.
  func plus(row: [Double]) -> Matrix { Matrix(rows: rows, columns: columns) { self[$0, $1] + row[$1] } }

  static func + (a: Matrix, b: Matrix) -> Matrix { Matrix(zip(a.values, b.values).map(+), columns: a.columns) }
  static func * (a: Matrix, b: Matrix) -> Matrix { Matrix(zip(a.values, b.values).map(*), columns: a.columns) }
  static func * (factor: Double, a: Matrix) -> Matrix { a.map { factor * $0 } }
}

extension DropoutSource {
  /// The multipliers of a tensor: one row of counted randomness for each token, named by example and position.
  func mask(_ layout: PackedLayout, columns: Int, probability: Float, site: Int) -> Matrix {
    var values: [Double] = []
    for sequence in 0..<layout.sequences {
      for position in layout.range(sequence).indices {
        values += row(
          site: site, example: layout.examples[sequence], row: position - layout.offsets[sequence],
          probability: probability, count: columns)
      }
    }
    return Matrix(values, columns: columns)
  }

  /// The multipliers of one query's probabilities: sixteen queries of a head share a row of random numbers, whose
  /// length is that of sixteen padded rows of scores.
  func attentionRow(
    site: Int, example: Int, head: Int, position: Int, keys: Int, probability: Float
  ) -> [Double] {
    let columns = keys == 1 ? 1 : (keys + 15) / 16 * 16
    let tile = row(
      site: site, example: example, row: head * ((keys + 15) / 16) + position / 16, probability: probability,
      count: 16 * columns)
    return Array(tile[(position % 16 * columns)...].prefix(keys))
  }

  func row(site: Int, example: Int, row: Int, probability: Float, count: Int) -> [Double] {
    var multipliers = [Float](repeating: 0, count: count)
    philox.dropout(
      site: site, step: step, example: example, row: row, probability: probability, into: &multipliers,
      count: count)
    return multipliers.map(Double.init)
  }
}

/// LayerNorm(x) row by row.
func layerNorm(_ x: Matrix, gamma: [Double], beta: [Double], epsilon: Double) -> Matrix {
  var values: [Double] = []
  for row in 0..<x.rows {
    let row = x.row(row), count = Double(row.count)
    let mean = row.reduce(0, +) / count
    let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
    for (c, value) in row.enumerated() {
      values.append((value - mean) / (variance + epsilon).squareRoot() * gamma[c] + beta[c])
    }
  }
  return Matrix(values, columns: x.columns)
}

/// Softmax attention inside each sequence. `multiplier` gives the row of dropout multipliers for a sequence, head and
/// query.
func attention(
  q: Matrix, k: Matrix, v: Matrix, queries: PackedLayout, keys: PackedLayout, heads: Int,
  multiplier: ((_ sequence: Int, _ head: Int, _ position: Int) -> [Double])? = nil
) -> Matrix {
  let size = q.columns / heads, columns = q.columns
  var output = [Double](repeating: 0, count: q.values.count)
  for sequence in 0..<queries.sequences {
    let range = keys.range(sequence)
    for head in 0..<heads {
      for (position, row) in queries.range(sequence).enumerated() {
        let start = row * columns + head * size
        var p = range.map { key in
          dot(q.values, start, k.values, key * columns + head * size, size) / Double(size).squareRoot()
        }
        let top = p.max() ?? 0
        p = p.map { exp($0 - top) }
        let sum = p.reduce(0, +)
        if let mask = multiplier?(sequence, head, position) { p = zip(p, mask).map(*) }
        for (index, key) in range.enumerated() {
          for c in 0..<size { output[start + c] += p[index] / sum * v.values[key * columns + head * size + c] }
        }
      }
    }
  }
  return Matrix(output, columns: columns)
}

func dot(_ a: [Double], _ aStart: Int, _ b: [Double], _ bStart: Int, _ count: Int) -> Double {
  a.withUnsafeBufferPointer { a in
    b.withUnsafeBufferPointer { b in
      var sum = 0.0
      for i in 0..<count { sum += a[aStart + i] * b[bStart + i] }
      return sum
    }
  }
}
