import Autograd
import Kernels
import Testing

/// Attention whose queries see only near keys.
@Suite struct AttentionWindowTests {
  static let source = DropoutSource(philox: Philox(seed: 21), step: 5)
  /// Neighbours, an edge inside a product's sixteen rows, and more than a short sequence has.
  static let reaches: [AttentionReach] = [
    .causal(window: 2), .causal(window: 5), .causal(window: 17), .causal(window: 50), .within(1), .within(3),
    .within(20), AttentionReach(before: nil, after: 2), AttentionReach(before: 9, after: nil),
  ]

  @Test(arguments: reaches, [0, 0.3] as [Float]) func packedSequences(reach: AttentionReach, dropout: Float) {
    check([7, 1, 40, 4], reach, dropout: dropout)
  }

  /// Two and three blocks of queries, whose keys begin later and later.
  @Test(arguments: reaches) func severalBlocks(reach: AttentionReach) {
    check([150, 2], reach, dropout: 0.3, axes: 2)
  }

  @Test(arguments: [AttentionReach.causal(window: 40), .within(20)]) func manyBlocks(reach: AttentionReach) {
    check([3, 420], reach, dropout: 0.3, axes: 1)
  }

  /// A token that sees itself alone takes its own value.
  @Test(arguments: testedPrecisions) func aWindowOfOneToken(precision: Precision) {
    let layout = PackedLayout([150, 1, 9]), storage = FloatStorage(zeros: 0)
    let tape = Tape(workspace: dirtyWorkspace(), parameters: storage, gradients: storage, precision: precision)
    let qkv = (1...3).map {
      tape.constant(
        normal(layout.rows * 6, stream: $0), layout: layout, columns: 6, needsGradient: true, precision: precision)
    }
    let y = tape.attention(
      q: qkv[0], k: qkv[1], v: qkv[2], heads: 2, reach: .causal(window: 1), dropout: 0, site: 1)
    #expect(y.values == qkv[2].values)
    y.seedGradient(normal(y.count, stream: 4), in: tape.workspace)
    let seed = y.gradient ?? []
    tape.backward()
    expectClose(qkv[2].gradient ?? [], seed.map(Double.init), tolerance: precision.tolerance(1e-6))
  }

  @Test(arguments: [AttentionReach.causal(window: 20), .within(20)]) func headsShareKeys(reach: AttentionReach) {
    check([70, 9], reach, heads: 4, sharing: 2, dropout: 0.2)
  }

  /// The last tokens if causal, otherwise the first: blocks that leave keys out at the other end.
  @Test(arguments: reaches, [1, 3]) func onlySomeTokensAsk(reach: AttentionReach, asking: Int) {
    check([90, 3, 7], reach, heads: 4, sharing: 2, dropout: 0.3, asking: asking)
  }

  @Test(arguments: 1..<8) func anySubsetOfInputsWantsGradients(subset: Int) {
    check([40, 1, 3], .causal(window: 8), dropout: 0.3, wanted: (0..<3).map { subset >> $0 & 1 != 0 })
  }

  /// Bits do not tell whether a window that covers the sequence is there.
  @Test(arguments: testedPrecisions) func aWindowOfTheWholeSequenceIsNone(precision: Precision) {
    #expect(run(.causal(window: 300), precision) == run(.causal, precision))
    #expect(run(.within(299), precision) == run(.all, precision))
    #expect(run(.causal(window: 299), precision) != run(.causal, precision))
  }

  /// A window bounds the keys that are multiplied: time is linear in the length.
  @Test func workGrowsWithTheLengthNotItsSquare() {
    func operations(_ length: Int) -> Double {
      let workspace = Workspace(), storage = FloatStorage(zeros: 0)
      let tape = Tape(workspace: workspace, parameters: storage, gradients: storage)
      let x = tape.constant(
        normal(length * 8, stream: 1), layout: PackedLayout([length]), columns: 8, needsGradient: true)
      let y = tape.attention(q: x, k: x, v: x, heads: 2, reach: .causal(window: 64), dropout: 0, site: 1)
      y.seedGradient(normal(y.count, stream: 2), in: workspace)
      tape.backward()
      return workspace.products.operations
    }
    #expect(operations(4096) < 2.1 * operations(2048))
  }

  private func run(_ reach: AttentionReach, _ precision: Precision) -> [[Float]?] {
    let storage = FloatStorage(zeros: 0), layout = PackedLayout([300, 20])
    let tape = Tape(
      workspace: dirtyWorkspace(), parameters: storage, gradients: storage, dropout: Self.source,
      precision: precision)
    let qkv = (1...3).map {
      tape.constant(
        normal(layout.rows * 8, stream: $0), layout: layout, columns: 8, needsGradient: true, precision: precision)
    }
    let y = tape.attention(q: qkv[0], k: qkv[1], v: qkv[2], heads: 2, reach: reach, dropout: 0.2, site: 3)
    let values = y.values
    y.seedGradient(normal(y.count, stream: 4), in: tape.workspace)
    tape.backward()
    return [values] + qkv.map(\.gradient)
  }

  private func check(
    _ lengths: [Int], _ reach: AttentionReach, heads: Int = 2, sharing: Int = 1, dropout: Float, asking: Int? = nil,
    wanted: [Bool] = [true, true, true], axes: Int = 20
  ) {
    let size = 3, keys = PackedLayout(lengths)
    let queries = asking.map { keys.firstRows($0) } ?? keys
    let reference = AttentionReference(
      queries: queries, keys: keys, heads: heads, sharing: sharing, reach: reach,
      dropout: dropout > 0 ? (Self.source, 3, dropout) : nil)
    for precision in testedPrecisions {
      checkGradients(
        [
          Leaf(queries, columns: heads * size, stream: 1, needsGradient: wanted[0], precision: precision),
          Leaf(keys, columns: heads / sharing * size, stream: 2, needsGradient: wanted[1], precision: precision),
          Leaf(keys, columns: heads / sharing * size, stream: 3, needsGradient: wanted[2], precision: precision),
        ], dropout: Self.source, precision: precision, tolerance: precision.tolerance(), axes: axes,
        operation: { tape, x in
          [
            tape.attention(
              q: x[0], k: x[1], v: x[2], heads: heads, keyValueHeads: heads / sharing, reach: reach, dropout: dropout,
              site: 3)
          ]
        },
        reference: { x, _ in [reference(x[0], x[1], x[2])] })
    }
  }
}
