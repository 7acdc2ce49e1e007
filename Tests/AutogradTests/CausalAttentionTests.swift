import Autograd
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
    let reference = AttentionReference(
      queries: queries, keys: keys, heads: heads, sharing: shared, reach: causal ? .causal : .all,
      dropout: dropout > 0 ? (Self.source, 3, dropout) : nil)
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
          [reference(x[0], x[1], x[2])]
        })
    }
  }
}
