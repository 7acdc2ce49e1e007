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

  @Test(arguments: blocks, testedPrecisions) func hotProductsAreFast(_ block: Block, precision: Precision) throws {
    let rank = 8, c = block.columns, own = c / block.heads * block.keyValueHeads, outputs = [c, own, own]
    // All A's side by side in memory, as a run has them, so that they are multiplied as one.
    let adapted = block.adapts.indices.filter { block.adapts[$0] }, firstB = adapted.count * rank * c
    let parameters = FloatStorage(zeros: firstB + 3 * rank * c), gradients = FloatStorage(zeros: parameters.count)
    parameters[0..<parameters.count] = normal(parameters.count, stream: 1, deviation: 0.1)
    let maps = try outputs.enumerated().map { index, out in
      let plain = FrozenTensor(normal(out * c, stream: 10 + UInt64(index), deviation: 0.05), shape: [out, c])
      let weight = precision == .bfloat16 ? plain.inBFloat16() : plain
      let matrix = try #require(FrozenLinear(weight: weight, bias: nil).packed(precision))
      let adapter = adapted.firstIndex(of: index).map { place in
        LowRankAdapter(
          a: ParameterReference(offset: place * rank * c, rows: rank, columns: c),
          b: ParameterReference(offset: firstB + place * rank * c, rows: out, columns: rank), scale: 2, dropout: 0,
          dropoutSite: index)
      }
      return AdaptedLinear(FrozenLinear(weight: weight, bias: nil, prepared: .packed(matrix)), adapter: adapter)
    }
    let workspace = Workspace(), layout = PackedLayout(block.lengths)
    let tape = Tape(workspace: workspace, parameters: parameters, gradients: gradients, precision: precision)
    let x = tape.constant(
      normal(layout.rows * c, stream: 2), layout: layout, columns: c, needsGradient: true, precision: precision)
    let qkv = tape.linear(x, maps)
    let y = tape.attention(
      q: qkv[0], k: qkv[1], v: qkv[2], heads: block.heads, keyValueHeads: block.keyValueHeads, reach: block.reach,
      dropout: 0, site: 3)
    y.seedGradient(normal(y.count, stream: 4), in: workspace)
    tape.backward()
    let found = workspace.products.implementations
    #expect(!found.isEmpty && found.keys.allSatisfy { $0.hasPrefix("brg:") }, "\(found)")
  }
}
