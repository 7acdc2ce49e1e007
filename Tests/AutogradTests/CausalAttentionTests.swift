import Autograd
import Foundation
import Kernels
import Testing

@Suite struct CausalAttentionTests {
  static let source = DropoutSource(philox: Philox(seed: 21), step: 5)

  /// 130 tokens make two blocks of queries; one token attends to itself alone.
  @Test(arguments: [[5], [1], [7, 1, 4], [130, 2], [3, 260]], [0, 0.3] as [Float])
  func aTokenSeesThoseBeforeIt(lengths: [Int], dropout: Float) { check(lengths, heads: 2, shared: 1, dropout) }

  @Test(arguments: [1, 2, 4], [true, false]) func headsShareKeys(shared: Int, causal: Bool) {
    check([6, 1, 3], heads: 4, shared: shared, 0.2, causal: causal)
    check([130], heads: 4, shared: shared, 0, causal: causal)
  }

  @Test(arguments: [0, 0.3] as [Float], [1, 3]) func onlyTheLastTokensAsk(dropout: Float, asking: Int) {
    check([7, 3, 140], heads: 4, shared: 2, dropout, asking: asking)
  }

  @Test(arguments: 1..<8) func anySubsetOfInputsWantsGradients(subset: Int) {
    check(
      [6, 1, 3], heads: 2, shared: 2, 0.3, wanted: [subset & 1 != 0, subset & 2 != 0, subset & 4 != 0])
  }

  private func check(
    _ lengths: [Int], heads: Int, shared: Int, _ dropout: Float, causal: Bool = true, asking: Int? = nil,
    wanted: [Bool] = [true, true, true]
  ) {
    let size = 3, keys = PackedLayout(lengths)
    let queries =
      asking.map { count in
        PackedLayout(lengths: lengths.map { _ in count }, examples: keys.examples)
      } ?? keys
    for precision in testedPrecisions {
      checkGradients(
        [
          Leaf(queries, columns: heads * size, stream: 1, needsGradient: wanted[0], precision: precision),
          Leaf(keys, columns: heads / shared * size, stream: 2, needsGradient: wanted[1], precision: precision),
          Leaf(keys, columns: heads / shared * size, stream: 3, needsGradient: wanted[2], precision: precision),
        ], dropout: Self.source, precision: precision, tolerance: precision.tolerance(), axes: keys.rows > 100 ? 2 : 40,
        operation: { tape, x in
          [
            tape.attention(
              q: x[0], k: x[1], v: x[2], heads: heads, keyValueHeads: heads / shared, reach: causal ? .causal : .all,
              dropout: dropout, site: 3)
          ]
        },
        reference: { x, _ in
          [reference(x, queries, keys, heads: heads, shared: shared, size: size, dropout, causal: causal)]
        })
    }
  }

  /// Softmax attention, query by query, over the keys that it sees.
  private func reference(
    _ x: [Matrix], _ queries: PackedLayout, _ keys: PackedLayout, heads: Int, shared: Int, size: Int, _ dropout: Float,
    causal: Bool
  ) -> Matrix {
    var output = [Double](repeating: 0, count: x[0].values.count)
    for sequence in 0..<keys.sequences {
      let range = keys.range(sequence), skipped = causal ? range.count - queries.range(sequence).count : 0
      for head in 0..<heads {
        for (index, row) in queries.range(sequence).enumerated() {
          let position = skipped + index, seen = causal ? range.prefix(position + 1) : range
          let q = (0..<size).map { x[0][row, head * size + $0] }, first = head / shared * size
          var p = seen.map { key in
            exp((0..<size).reduce(0) { $0 + q[$1] * x[1][key, first + $1] } / Double(size).squareRoot())
          }
          let sum = p.reduce(0, +)
          if dropout > 0 {
            let mask = Self.source.attentionRow(
              site: 3, example: keys.examples[sequence], head: head, position: position, keys: range.count,
              probability: dropout)
            p = zip(p, mask).map(*)
          }
          for (number, key) in seen.enumerated() {
            for c in 0..<size { output[row * x[0].columns + head * size + c] += p[number] / sum * x[2][key, first + c] }
          }
        }
      }
    }
    return Matrix(output, columns: x[0].columns)
  }
}
