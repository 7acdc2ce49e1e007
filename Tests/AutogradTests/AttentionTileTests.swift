import Autograd
import Kernels
import Testing

/// Attention inside sequences that are long enough for tiles.
@Suite struct AttentionTileTests {
  static let source = DropoutSource(philox: Philox(seed: 21), step: 5)

  struct Case: Sendable, CustomTestStringConvertible {
    var lengths: [Int]
    var reach = AttentionReach.causal
    var heads = 2
    var sharing = 1
    var softCap: Float?
    var dropout: Float = 0
    var asking: Int?
    var wanted = [true, true, true]
    var testDescription: String {
      "\(lengths), \(reach), \(heads) heads by \(sharing), cap \(softCap ?? 0), dropout \(dropout), asking \(asking ?? 0)"
    }
  }

  /// More than one tile forward and three backward; a remainder of each; two parts of queries; short sequences beside.
  static let cases = [
    Case(lengths: [530, 5]), Case(lengths: [300, 270], sharing: 2, dropout: 0.3),
    Case(lengths: [1100], heads: 3, sharing: 3), Case(lengths: [520], reach: .all, softCap: 2, dropout: 0.2),
    Case(lengths: [3, 400], reach: .causal(window: 90), heads: 4, sharing: 4, dropout: 0.3),
    Case(lengths: [600], reach: .within(100), softCap: 3), Case(lengths: [530, 300], heads: 4, sharing: 2, asking: 40),
    Case(lengths: [530, 300], reach: .all, asking: 40),
  ]

  @Test(arguments: cases) func gradients(_ test: Case) { check(test) }

  @Test(arguments: 1..<8) func anySubsetOfInputsWantsGradients(subset: Int) {
    check(Case(lengths: [290], sharing: 2, dropout: 0.3, wanted: (0..<3).map { subset >> $0 & 1 != 0 }))
  }

  /// Parts and tiles follow from the lengths alone.
  @Test(arguments: testedPrecisions, [AttentionReach.causal, .causal(window: 300)])
  func anyNumberOfThreadsGivesTheSameBits(precision: Precision, reach: AttentionReach) {
    func run(threads: Int?) -> [[Float]?] {
      let storage = FloatStorage(zeros: 0), layout = PackedLayout([1300, 400]), workspace = Workspace()
      workspace.team = threads.map { Team(threads: $0) }
      let tape = Tape(
        workspace: workspace, parameters: storage, gradients: storage, dropout: Self.source, precision: precision)
      let qkv = [12, 4, 4].enumerated().map { index, heads in
        tape.constant(
          normal(layout.rows * 16 * heads, stream: UInt64(index)), layout: layout, columns: 16 * heads,
          needsGradient: true, precision: precision)
      }
      let y = tape.attention(
        q: qkv[0], k: qkv[1], v: qkv[2], heads: 12, keyValueHeads: 4, reach: reach, dropout: 0.1, site: 3)
      let values = y.values
      y.seedGradient(normal(y.count, stream: 4), in: workspace)
      tape.backward()
      return [values] + qkv.map(\.gradient)
    }
    let alone = run(threads: nil)
    for threads in 1...3 { #expect(run(threads: threads) == alone, "\(threads) threads") }
  }

  /// Memory for scores does not grow with the length.
  @Test func memoryIsLinearInTheLength() {
    func peak(_ length: Int) -> Int {
      let workspace = Workspace(computes: false), storage = FloatStorage(zeros: 0)
      let tape = Tape(workspace: workspace, parameters: storage, gradients: storage)
      let x = tape.constant(
        [Float](repeating: 0, count: 64 * length), layout: PackedLayout([length]), columns: 64, needsGradient: true)
      _ = tape.attention(q: x, k: x, v: x, heads: 4, reach: .causal, dropout: 0, site: 1)
      tape.backward()
      return workspace.peakBytes
    }
    #expect(peak(8192) < 2 * peak(4096))
  }

  private func check(_ test: Case) {
    let size = 3, keys = PackedLayout(test.lengths), causal = test.reach.isCausal
    let queries =
      test.asking.map { count in
        causal ? PackedLayout(lengths: test.lengths.map { _ in count }, examples: keys.examples) : keys.firstRows(count)
      } ?? keys
    let reference = AttentionReference(
      queries: queries, keys: keys, heads: test.heads, sharing: test.sharing, reach: test.reach,
      softCap: test.softCap.map(Double.init), dropout: test.dropout > 0 ? (Self.source, 3, test.dropout) : nil)
    for precision in testedPrecisions {
      let columns = [test.heads, test.heads / test.sharing, test.heads / test.sharing].map { $0 * size }
      checkGradients(
        zip([queries, keys, keys], zip(columns, test.wanted)).enumerated().map { index, leaf in
          Leaf(
            leaf.0, columns: leaf.1.0, stream: UInt64(index + 1), needsGradient: leaf.1.1, precision: precision)
        }, dropout: Self.source, precision: precision, tolerance: precision.tolerance(2e-5), axes: 1,
        operation: { tape, x in
          [
            tape.attention(
              q: x[0], k: x[1], v: x[2], heads: test.heads, keyValueHeads: test.heads / test.sharing, reach: test.reach,
              softCap: test.softCap, dropout: test.dropout, site: 3)
          ]
        },
        reference: { x, _ in [reference(x[0], x[1], x[2])] })
    }
  }
}
