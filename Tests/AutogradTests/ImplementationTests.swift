import Kernels
import Testing

@testable import Autograd

/// Which of oneDNN's implementations the products of a block get. `brg` is the fast one; `gemm:jit` and `ref` are what is
/// left for operands that do not lie as it wants them.
@Suite(.enabled(if: Products.hasBFloat16, "oneDNN has one implementation only on processors without bfloat16"))
struct ImplementationTests {
  struct Block: Sendable, CustomTestStringConvertible {
    let name: String
    let columns: Int, heads: Int, keyValueHeads: Int
    let lengths: [Int]
    /// The adapters of q, k and v.
    var adapts = [true, false, true]
    var reach = AttentionReach.all
    var testDescription: String { name }
  }

  static let blocks = [
    Block(name: "RoBERTa-base", columns: 768, heads: 12, keyValueHeads: 12, lengths: [128, 128]),
    Block(name: "RoBERTa-base, short", columns: 768, heads: 12, keyValueHeads: 12, lengths: [9, 30, 17, 25]),
    Block(
      name: "MiniLM, q alone", columns: 384, heads: 12, keyValueHeads: 12, lengths: [64, 64],
      adapts: [true, false, false]),
    Block(
      name: "SmolLM2", columns: 576, heads: 9, keyValueHeads: 3, lengths: [128, 90], adapts: [true, true, true],
      reach: .causal),
    Block(
      name: "SmolLM2, long", columns: 576, heads: 9, keyValueHeads: 3, lengths: [700], adapts: [true, true, true],
      reach: .causal),
  ]

  @Test(arguments: blocks, testedPrecisions) func attentionIsFast(_ block: Block, precision: Precision) throws {
    let c = block.columns, own = c / block.heads * block.keyValueHeads
    let found = try implementations(precision, block.lengths, columns: c, outputs: [c, own, own], block.adapts) {
      tape, qkv in
      tape.attention(
        q: qkv[0], k: qkv[1], v: qkv[2], heads: block.heads, keyValueHeads: block.keyValueHeads, reach: block.reach,
        dropout: 0, site: 3)
    }
    #expect(!found.isEmpty && found.keys.allSatisfy { $0.hasPrefix("brg:") }, "\(found)")
  }

  /// A feed-forward block with adapters on all maps, as "all-linear" has it, and GPT-2's fused map, whose weight is stored as
  /// its transpose. The rows are those of a shard.
  @Test(arguments: testedPrecisions, [false, true]) func mapsAreFast(precision: Precision, isFused: Bool) throws {
    let outputs = isFused ? [768, 768, 768] : [1536, 1536]
    let found = try implementations(
      precision, [300], columns: isFused ? 768 : 576, outputs: outputs, outputs.map { _ in true }, isFused: isFused
    ) { _, y in y[0] }
    #expect(!found.isEmpty && found.keys.allSatisfy { $0.hasPrefix("brg:") }, "\(found)")
  }

  /// A language model's head, packed.
  @Test(arguments: testedPrecisions) func theHeadIsFast(precision: Precision) throws {
    let layout = PackedLayout([200]), columns = 64, vocabulary = 5000
    let weight = FrozenTensor(normal(vocabulary * columns, stream: 1), shape: [vocabulary, columns])
    let plain = FrozenLinear(weight: precision == .bfloat16 ? weight.inBFloat16() : weight, bias: nil)
    let matrix = try #require(plain.packed(precision))
    let head = FrozenLinear(weight: plain.weight, bias: nil, prepared: .packed(matrix))
    let workspace = Workspace(), storage = FloatStorage(zeros: 0)
    let tape = Tape(workspace: workspace, parameters: storage, gradients: storage, precision: precision)
    let hidden = tape.constant(
      normal(layout.rows * columns, stream: 2), layout: layout, columns: columns, needsGradient: true,
      precision: precision)
    _ = tape.languageModelLoss(
      hidden, head: head, targets: (0..<200).map { Int32($0) }, weights: [Float](repeating: 1, count: 200))
    let found = workspace.products.implementations
    #expect(!found.isEmpty && found.keys.allSatisfy { $0.hasPrefix("brg:") }, "\(found)")
  }

  /// The implementations of all products of some maps of one x, and of what `use` makes of them, forward and backward. All A's
  /// are side by side in memory, as a run has them, so that they are multiplied as one.
  private func implementations(
    _ precision: Precision, _ lengths: [Int], columns c: Int, outputs: [Int], _ adapts: [Bool], isFused: Bool = false,
    _ use: (Tape, [Tensor]) -> Tensor
  ) throws -> [String: Double] {
    let rank = 8, adapted = adapts.indices.filter { adapts[$0] }, firstB = adapted.count * rank * c
    let all = outputs.reduce(0, +), parameters = FloatStorage(zeros: firstB + rank * all)
    let gradients = FloatStorage(zeros: parameters.count)
    parameters[0..<parameters.count] = normal(parameters.count, stream: 1, deviation: 0.1)
    let shape = isFused ? [c, all] : [all, c],
      plain = FrozenTensor(normal(all * c, stream: 3, deviation: 0.05), shape: shape)
    let weight = precision == .bfloat16 ? plain.inBFloat16() : plain
    var first = 0
    let maps = try outputs.enumerated().map { index, out in
      let range = first..<(first + out)
      first += out
      let part = isFused ? weight : weight.rows(range), layout = isFused ? WeightLayout.columns(range) : .rows
      let matrix = try #require(FrozenLinear(weight: part, bias: nil, layout: layout).packed(precision))
      let adapter = adapted.firstIndex(of: index).map { place in
        LowRankAdapter(
          a: ParameterReference(offset: place * rank * c, rows: rank, columns: c),
          b: ParameterReference(offset: firstB + rank * range.lowerBound, rows: out, columns: rank), scale: 2,
          dropout: 0,
          dropoutSite: index)
      }
      let map = FrozenLinear(weight: part, bias: nil, layout: layout, prepared: .packed(matrix))
      return AdaptedLinear(map, adapter: adapter)
    }
    let workspace = Workspace(), layout = PackedLayout(lengths)
    let tape = Tape(workspace: workspace, parameters: parameters, gradients: gradients, precision: precision)
    let x = tape.constant(
      normal(layout.rows * c, stream: 2), layout: layout, columns: c, needsGradient: true, precision: precision)
    let made = tape.linear(x, maps), y = use(tape, made)
    for tensor in made where tensor !== y { tensor.seedGradient(normal(tensor.count, stream: 5), in: workspace) }
    y.seedGradient(normal(y.count, stream: 4), in: workspace)
    tape.backward()
    return workspace.products.implementations
  }
}
