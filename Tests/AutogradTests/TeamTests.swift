import Kernels
import Testing

@testable import Autograd

/// A lone shard's operations, shared out among the threads of a team.
@Suite struct TeamTests {
  static let precisions: [Precision] = Products.hasBFloat16 ? [.float32, .bfloat16] : [.float32]

  /// What a family's block has beside LLaMA's.
  enum Form: CaseIterable, Sendable { case plain, capped, relative }

  /// Gradients and losses of a decoder's block and head over one sequence of 160 tokens.
  func run(_ precision: Precision, threads: Int?, dropout: Float, _ form: Form) -> (
    losses: [Double], gradients: [Float]
  ) {
    let rows = 160, columns = 128, inner = 256, vocabulary = 500, rank = 8
    func weight(_ out: Int, _ input: Int, _ stream: UInt64) -> FrozenTensor {
      let tensor = FrozenTensor(normal(out * input, stream: stream, deviation: 0.1), shape: [out, input])
      return precision == .bfloat16 ? tensor.inBFloat16() : tensor
    }
    func map(_ out: Int, _ input: Int, _ stream: UInt64, _ adapter: LowRankAdapter? = nil) -> AdaptedLinear {
      AdaptedLinear(FrozenLinear(weight: weight(out, input, stream), bias: nil), adapter: adapter)
    }
    let parameters = FloatStorage(zeros: 5 * rank * columns)
    parameters[0..<parameters.count] = normal(parameters.count, stream: 1, deviation: 0.2)
    let gradients = FloatStorage(zeros: parameters.count)
    let workspace = Workspace()
    workspace.team = threads.map { Team(threads: $0) }
    let tape = Tape(
      workspace: workspace, parameters: parameters, gradients: gradients,
      dropout: DropoutSource(philox: Philox(seed: 3), step: 1), precision: precision)
    let layout = PackedLayout(lengths: [rows], examples: [0])
    // Neighbouring A's, which are multiplied as one, and then their B's.
    func adapter(_ index: Int, out: Int) -> LowRankAdapter {
      LowRankAdapter(
        a: ParameterReference(offset: index * rank * columns, rows: rank, columns: columns),
        b: ParameterReference(offset: (2 + index) * rank * columns, rows: out, columns: rank), scale: 2, dropout: 0,
        dropoutSite: 9)
    }
    let gamma = FrozenTensor([Float](repeating: 1, count: columns), shape: [columns])
    let x = tape.constant(normal(rows * columns, stream: 2), layout: layout, columns: columns)
    let normed = tape.norm(x, NormWeights(gamma: gamma, epsilon: 1e-5))
    let qkv = tape.linear(
      normed,
      [
        map(columns, columns, 3, adapter(0, out: columns)), map(columns / 2, columns, 4, adapter(1, out: columns / 2)),
        map(columns / 2, columns, 5),
      ])
    let attended: Tensor
    switch form {
    case .plain:
      attended = tape.attention(
        q: qkv[0], k: qkv[1], v: qkv[2], heads: 4, keyValueHeads: 2, reach: .causal, dropout: dropout, site: 7)
    case .capped:
      let norm = NormWeights(gamma: FrozenTensor(normal(32, stream: 20), shape: [32]), epsilon: 1e-5)
      attended = tape.attention(
        q: tape.headNorm(qkv[0], norm), k: tape.headNorm(qkv[1], norm), v: qkv[2], heads: 4, keyValueHeads: 2,
        reach: .causal(window: 40), softCap: 2, dropout: dropout, site: 7)
    case .relative:
      let table = tape.constant(
        normal(64 * columns, stream: 21), layout: PackedLayout(lengths: [64], examples: [0]), columns: columns)
      // The tables' gradients go to the adapter too.
      let tables = tape.linear(
        table,
        [map(columns, columns, 22, adapter(0, out: columns)), map(columns, columns, 23, adapter(0, out: columns))])
      attended = tape.attention(
        q: qkv[0], k: qkv[0], v: qkv[0], heads: 4,
        relative: RelativePositions(keys: tables[0], queries: tables[1]) { min(max($0 + 32, 0), 63) },
        dropout: dropout, site: 7)
    }
    let (sum, second) = tape.addNorm(
      tape.linear(attended, map(columns, columns, 6)), bias: nil, dropout: 0, site: 8, to: x,
      NormWeights(gamma: gamma, epsilon: 1e-5))
    let inside = tape.linear(second, [map(inner, columns, 7), map(inner, columns, 8)])
    let down = tape.linear(tape.gatedActivation(inside[0], inside[1], .silu), map(columns, inner, 9))
    let (_, last) = tape.addNorm(
      tape.activation(down, .gelu), bias: nil, dropout: 0, site: 10, to: sum,
      NormWeights(gamma: gamma, epsilon: 1e-5))
    let losses = tape.languageModelLoss(
      last, head: map(vocabulary, columns, 11).linear, targets: (0..<rows).map { Int32($0 * 3 % vocabulary) },
      weights: [Float](repeating: 1 / Float(rows), count: rows), scale: form == .capped ? 0.9 : 1,
      softCap: form == .capped ? 3 : nil)
    tape.backward()
    return (losses, gradients[0..<gradients.count])
  }

  @Test(arguments: precisions, Form.allCases)
  func bitsDoNotDependOnTheNumberOfThreads(precision: Precision, form: Form) {
    for dropout in [0, 0.2] as [Float] { compare(precision, dropout, form) }
  }

  private func compare(_ precision: Precision, _ dropout: Float, _ form: Form) {
    let alone = run(precision, threads: nil, dropout: dropout, form)
    let one = run(precision, threads: 1, dropout: dropout, form)
    let tolerance: Float = precision == .float32 ? 1e-5 : 0.05
    let largest = alone.gradients.map(abs).max() ?? 0
    #expect(largest > 0)
    #expect(zip(alone.gradients, one.gradients).allSatisfy { abs($0 - $1) <= tolerance * largest })
    for threads in 2...3 {
      let several = run(precision, threads: threads, dropout: dropout, form)
      #expect(several.losses == one.losses && several.gradients == one.gradients, "\(threads) threads")
    }
  }
}
