import Autograd
import Kernels
import Testing

@Suite struct AttentionTests {
  static let source = DropoutSource(philox: Philox(seed: 21), step: 5)

  /// 130 tokens make two blocks of queries; one token attends to itself alone.
  @Test(arguments: [[5], [1], [7, 1, 4], [130, 2]], [0, 0.3] as [Float])
  func everyTokenAsks(lengths: [Int], dropout: Float) {
    check(lengths, heads: 2, size: 3, dropout: dropout)
  }

  @Test func threeBlocksOfQueries() { check([3, 260], heads: 2, size: 2, dropout: 0.3) }

  @Test(arguments: [1, 2, 4]) func headsAreApart(heads: Int) { check([6, 3], heads: heads, size: 4, dropout: 0.2) }

  /// One query a sequence against all keys, as in the last layer.
  @Test(arguments: [[7, 1, 4], [130, 2]], [0, 0.3] as [Float]) func onlyTheFirstTokenAsks(
    lengths: [Int], dropout: Float
  ) {
    check(lengths, heads: 2, size: 3, dropout: dropout, onlyFirst: true)
  }

  @Test(arguments: 1..<8, [0, 0.3] as [Float]) func anySubsetOfInputsWantsGradients(subset: Int, dropout: Float) {
    check(
      [6, 1, 3], heads: 2, size: 3, dropout: dropout, wanted: [subset & 1 != 0, subset & 2 != 0, subset & 4 != 0])
  }

  @Test func nobodyWantsGradients() {
    check([6, 1], heads: 2, size: 3, dropout: 0, wanted: [false, false, false])
  }

  /// q, k and v are the same tensor: three gradients flow back to it.
  @Test func oneTensorInThreeRoles() {
    let layout = PackedLayout([5, 2])
    checkGradients(
      [Leaf(layout, columns: 6, stream: 1)],
      operation: { tape, x in
        [tape.attention(q: x[0], k: x[0], v: x[0], heads: 2, dropout: 0, site: 1)]
      },
      reference: { x, _ in [attention(q: x[0], k: x[0], v: x[0], queries: layout, keys: layout, heads: 2)] })
  }

  /// Scores in the thousands: softmax picks one key.
  @Test func largeScoresDoNotOverflow() {
    let layout = PackedLayout([4]), storage = FloatStorage(zeros: 0)
    let tape = Tape(workspace: Workspace(), parameters: storage, gradients: storage)
    let q = tape.constant([100, 200, -100, 50], layout: layout, columns: 1, needsGradient: true)
    let k = tape.constant([-30, 10, 20, 60], layout: layout, columns: 1, needsGradient: true)
    let v = tape.constant([1, 2, 3, 4], layout: layout, columns: 1, needsGradient: true)
    let output = tape.attention(q: q, k: k, v: v, heads: 1, dropout: 0, site: 1)
    #expect(output.values == [4, 4, 1, 4])
    output.seedGradient([1, 1, 1, 1], in: tape.workspace)
    tape.backward()
    #expect(v.gradient == [1, 0, 0, 3])
    #expect(q.gradient == [0, 0, 0, 0])
    #expect(k.gradient == [0, 0, 0, 0])
  }

  /// The first token's mask is the same whether the others ask too or not.
  @Test func theFirstTokensResultDoesNotDependOnTheOthersAsking() {
    let layout = PackedLayout([9, 140]), columns = 8, storage = FloatStorage(zeros: 0)
    let tape = Tape(workspace: dirtyWorkspace(), parameters: storage, dropout: Self.source)
    let qkv = (1...3).map { tape.constant(normal(layout.rows * columns, stream: $0), layout: layout, columns: columns) }
    let all = tape.attention(q: qkv[0], k: qkv[1], v: qkv[2], heads: 2, dropout: 0.4, site: 3)
    let first = tape.attention(
      q: tape.selectFirst(qkv[0]), k: qkv[1], v: qkv[2], heads: 2, dropout: 0.4, site: 3)
    expectClose(first.values, tape.selectFirst(all).values.map(Double.init), tolerance: 1e-6)
  }

  private func check(
    _ lengths: [Int], heads: Int, size: Int, dropout: Float, onlyFirst: Bool = false,
    wanted: [Bool] = [true, true, true]
  ) {
    let keys = PackedLayout(lengths), queries = onlyFirst ? keys.oneRowEach() : keys, columns = heads * size
    // Sequence by sequence, head by head, row by row.
    let masks = lengths.indices.map { sequence in
      (0..<heads * lengths[sequence]).map {
        Self.source.attentionRow(
          site: 3, example: keys.examples[sequence], head: $0 / lengths[sequence], position: $0 % lengths[sequence],
          keys: lengths[sequence], probability: dropout)
      }
    }
    for precision in testedPrecisions {
      checkGradients(
        [
          Leaf(queries, columns: columns, stream: 1, needsGradient: wanted[0], precision: precision),
          Leaf(keys, columns: columns, stream: 2, needsGradient: wanted[1], precision: precision),
          Leaf(keys, columns: columns, stream: 3, needsGradient: wanted[2], precision: precision),
        ], dropout: Self.source, precision: precision, tolerance: precision.tolerance(),
        axes: keys.rows > 100 ? 2 : 40,
        operation: { tape, x in
          [tape.attention(q: x[0], k: x[1], v: x[2], heads: heads, dropout: dropout, site: 3)]
        },
        reference: { x, _ in
          [
            attention(
              q: x[0], k: x[1], v: x[2], queries: queries, keys: keys, heads: heads,
              multiplier: dropout > 0 ? { masks[$0][$1 * lengths[$0] + $2] } : nil)
          ]
        })
    }
  }
}
