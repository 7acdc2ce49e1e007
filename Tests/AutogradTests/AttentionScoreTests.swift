import Autograd
import Kernels
import Testing

/// Scores with a cap, with terms by relative position, and with a scale of their own.
@Suite struct AttentionScoreTests {
  static let source = DropoutSource(philox: Philox(seed: 21), step: 5)
  static let reaches: [AttentionReach] = [.all, .causal, .causal(window: 20), .within(5)]

  /// Scores of several times the cap.
  @Test(arguments: reaches, [0, 0.3] as [Float]) func softCap(reach: AttentionReach, dropout: Float) {
    for lengths in [[7, 1, 40], [135, 2]] {
      let layout = PackedLayout(lengths), heads = 4, columns = 12
      let reference = AttentionReference(
        queries: layout, keys: layout, heads: heads, sharing: 2, reach: reach, scale: Double(Float(0.9)), softCap: 1.5,
        dropout: dropout > 0 ? (Self.source, 3, dropout) : nil)
      for precision in testedPrecisions {
        checkGradients(
          [
            Leaf(layout, columns: columns, stream: 1, deviation: 2, precision: precision),
            Leaf(layout, columns: columns / 2, stream: 2, precision: precision),
            Leaf(layout, columns: columns / 2, stream: 3, precision: precision),
          ], dropout: Self.source, precision: precision, tolerance: precision.tolerance(),
          axes: layout.rows > 100 ? 2 : 20,
          operation: { tape, x in
            [
              tape.attention(
                q: x[0], k: x[1], v: x[2], heads: heads, keyValueHeads: 2, reach: reach, scale: 0.9, softCap: 1.5,
                dropout: dropout, site: 3)
            ]
          },
          reference: { x, _ in [reference(x[0], x[1], x[2])] })
      }
    }
  }

  /// MPNet's bias.
  @Test(arguments: reaches, [0, 0.3] as [Float]) func bias(reach: AttentionReach, dropout: Float) {
    check([7, 1, 40], reach, hasBias: true, hasKeys: false, hasQueries: false, dropout: dropout)
    check([140, 2], reach, hasBias: true, hasKeys: false, hasQueries: false, dropout: dropout, axes: 2)
  }

  /// DeBERTa's terms, one and both; the gradients of the tables gather from all sequences.
  @Test(arguments: [(true, true), (true, false), (false, true)], [0, 0.3] as [Float])
  func disentangled(terms: (keys: Bool, queries: Bool), dropout: Float) {
    check([7, 1, 40], .all, hasBias: false, hasKeys: terms.keys, hasQueries: terms.queries, dropout: dropout)
  }

  @Test(arguments: reaches) func allTerms(reach: AttentionReach) {
    check([9, 1, 30], reach, hasBias: true, hasKeys: true, hasQueries: true, dropout: 0.2)
    check([140, 2], reach, hasBias: true, hasKeys: true, hasQueries: true, dropout: 0, axes: 2)
  }

  /// More than two blocks of queries, and differences beyond the tables' last rows.
  @Test func severalBlocks() {
    check([3, 270], .all, hasBias: false, hasKeys: true, hasQueries: true, dropout: 0, axes: 2)
  }

  @Test(arguments: [AttentionReach.all, .causal]) func onlyOneTokenAsks(reach: AttentionReach) {
    check([20, 1, 7], reach, hasBias: true, hasKeys: true, hasQueries: true, dropout: 0.2, asking: 1)
  }

  @Test(arguments: 1..<32) func anySubsetOfInputsWantsGradients(subset: Int) {
    check(
      [6, 1, 3], .all, hasBias: false, hasKeys: true, hasQueries: true, dropout: 0.2,
      wanted: (0..<5).map { subset >> $0 & 1 != 0 })
  }

  /// The table's rows for −8 … 7, clamped.
  private static func row(_ difference: Int) -> Int { min(max(difference + 8, 0), 15) }

  private func check(
    _ lengths: [Int], _ reach: AttentionReach, hasBias: Bool, hasKeys: Bool, hasQueries: Bool, dropout: Float,
    asking: Int? = nil, wanted: [Bool] = [true, true, true, true, true], axes: Int = 20
  ) {
    let heads = 2, columns = 6, keys = PackedLayout(lengths), table = PackedLayout([16])
    let queries = asking.map { keys.firstRows($0) } ?? keys
    let bias = hasBias ? FrozenTensor(normal(16 * heads, stream: 6), shape: [16, heads]) : nil
    let reference = AttentionReference(
      queries: queries, keys: keys, heads: heads, reach: reach, scale: Double(Float(0.4)),
      dropout: dropout > 0 ? (Self.source, 3, dropout) : nil, row: Self.row, bias: bias.map { Matrix($0) })
    for precision in testedPrecisions {
      var leaves = [(queries, UInt64(1)), (keys, 2), (keys, 3)].enumerated().map {
        Leaf($1.0, columns: columns, stream: $1.1, needsGradient: wanted[$0], precision: precision)
      }
      if hasKeys {
        leaves.append(Leaf(table, columns: columns, stream: 4, needsGradient: wanted[3], precision: precision))
      }
      if hasQueries {
        leaves.append(Leaf(table, columns: columns, stream: 5, needsGradient: wanted[4], precision: precision))
      }
      checkGradients(
        leaves, dropout: Self.source, precision: precision, tolerance: precision.tolerance(), axes: axes,
        operation: { tape, x in
          let relative = RelativePositions(
            bias: bias, keys: hasKeys ? x[3] : nil, queries: hasQueries ? x[x.count - 1] : nil, rows: Self.row)
          return [
            tape.attention(
              q: x[0], k: x[1], v: x[2], heads: heads, reach: reach, scale: 0.4, relative: relative, dropout: dropout,
              site: 3)
          ]
        },
        reference: { x, _ in
          [
            reference(
              x[0], x[1], x[2], positionKeys: hasKeys ? x[3] : nil, positionQueries: hasQueries ? x[x.count - 1] : nil)
          ]
        })
    }
  }
}
