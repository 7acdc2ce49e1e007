import Autograd
import Foundation
import Kernels

/// Attention as its definition says, query by query, in double precision.
struct AttentionReference {
  var queries: PackedLayout
  var keys: PackedLayout
  var heads: Int
  /// Query heads per key and value head.
  var sharing = 1
  var reach = AttentionReach.all
  var scale: Double?
  var softCap: Double?
  var dropout: (source: DropoutSource, site: Int, probability: Float)?
  /// The row of the tables for query position − key position.
  var row: @Sendable (Int) -> Int = { $0 }
  var bias: Matrix?

  /// Whether the query at position `i` sees the key at position `j`.
  private func sees(_ i: Int, _ j: Int) -> Bool {
    if let before = reach.before, i - j > before { return false }
    if let after = reach.after, j - i > after { return false }
    return true
  }

  func callAsFunction(
    _ q: Matrix, _ k: Matrix, _ v: Matrix, positionKeys: Matrix? = nil, positionQueries: Matrix? = nil
  ) -> Matrix {
    let size = q.columns / heads, scale = scale ?? 1 / Double(size).squareRoot()
    let qs = q.values, ks = k.values, vs = v.values
    var output = [Double](repeating: 0, count: q.values.count)
    for sequence in 0..<keys.sequences {
      let range = keys.range(sequence), count = range.count
      let skipped = reach.after == 0 ? count - queries.range(sequence).count : 0
      for head in 0..<heads {
        for (index, row) in queries.range(sequence).enumerated() {
          let i = skipped + index, own = head * size, shared = head / sharing * size
          let seen = (0..<count).filter { sees(i, $0) }
          let scores = seen.map { j in
            let key = (range.lowerBound + j) * k.columns + shared, query = row * q.columns + own
            let table = self.row(i - j)
            var sum = dot(qs, query, ks, key, size)
            if let positionKeys { sum += dot(qs, query, positionKeys.values, table * q.columns + own, size) }
            if let positionQueries { sum += dot(ks, key, positionQueries.values, table * q.columns + own, size) }
            sum *= scale
            if let softCap { sum = softCap * tanh(sum / softCap) }
            return sum + (bias.map { $0[table, head] } ?? 0)
          }
          let top = scores.max() ?? 0
          var p = scores.map { exp($0 - top) }
          let total = p.reduce(0, +)
          if let dropout {
            let mask = dropout.source.attentionRow(
              site: dropout.site, example: keys.examples[sequence], head: head, position: i, keys: count,
              probability: dropout.probability)
            for (number, j) in seen.enumerated() { p[number] *= mask[j] }
          }
          for (number, j) in seen.enumerated() {
            let key = (range.lowerBound + j) * k.columns + shared
            for c in 0..<size { output[row * q.columns + own + c] += p[number] / total * vs[key + c] }
          }
        }
      }
    }
    return Matrix(output, columns: q.columns)
  }
}
