import Foundation
import Kernels
import Testing

@Suite struct ActivationKernelTests {
  /// Dense around zero and over the curved part, sparse far out. Its length leaves a remainder at every vector width.
  static let sweep: [Float] =
    (-12_000...12_000).map { Float($0) * 1e-3 } + (-60...60).map { Float($0) * 2.5 }
    + (1...30).flatMap {
      [Float(sign: .plus, exponent: -$0, significand: 1.3), -Float(sign: .plus, exponent: -$0, significand: 1.3)]
    }

  @Test(arguments: Activation.allCases) func valuesAreThoseOfTheFormula(kind: Activation) {
    let y = forward(kind, Self.sweep)
    for (x, value) in zip(Self.sweep, y) {
      let exact = reference(kind, Double(x))
      // GELU and its like lose digits where 1 + erf cancels: an error of some ulps of x.
      #expect(abs(Double(value) - exact) <= 3e-7 * abs(exact) + 1.2e-7 * min(abs(Double(x)), 8), "\(kind) \(x)")
    }
  }

  @Test(arguments: Activation.allCases) func derivativesAreThoseOfTheFormula(kind: Activation) {
    let step = 1e-5
    let smooth = Self.sweep.filter { (kind != .relu && kind != .relu2) || abs($0) > 1e-4 }
    for (x, value) in zip(smooth, slopes(kind, smooth)) {
      let exact = (reference(kind, Double(x) + step) - reference(kind, Double(x) - step)) / (2 * step)
      #expect(abs(Double(value) - exact) <= 2e-6 * max(1, abs(exact)), "\(kind) \(x)")
    }
  }

  @Test(arguments: Activation.allCases) func zerosKeepTheirValue(kind: Activation) {
    let y = forward(kind, [0, -0.0])
    #expect(y == [0, 0])
  }

  @Test(arguments: Activation.allCases) func hugeNumbersReachTheLimit(kind: Activation) {
    let huge: [Float] = [100, 1000, 1e6, 1e18]
    let above = forward(kind, huge), below = forward(kind, huge.map { -$0 })
    for (index, x) in huge.enumerated() {
      switch kind {
      case .gelu, .geluTanh, .quickGELU, .relu, .silu, .mish:
        #expect(above[index] == x)
        #expect(below[index] == 0, "\(x)")
      case .relu2:
        #expect(above[index] == x * x)
        #expect(below[index] == 0)
      case .tanh:
        #expect(above[index] == 1)
        #expect(below[index] == -1)
      }
    }
    let limits: [Float] =
      switch kind {
      case .gelu, .geluTanh, .quickGELU, .relu, .silu, .mish: [1, 1, 1, 1, 0, 0, 0, 0]
      case .relu2: huge.map { 2 * $0 } + [0, 0, 0, 0]
      case .tanh: [0, 0, 0, 0, 0, 0, 0, 0]
      }
    #expect(slopes(kind, huge + huge.map { -$0 }) == limits)
  }

  @Test(arguments: Activation.allCases) func nonFiniteNumbersStaySo(kind: Activation) {
    // 19 numbers, so that vector code and the remainder both see a NaN.
    let y = forward(kind, [Float](repeating: .nan, count: 19))
    #expect(y.allSatisfy { $0.isNaN })
    let up = forward(kind, [.infinity])[0], down = forward(kind, [-.infinity])[0]
    switch kind {
    case .tanh:
      #expect(up == 1)
      #expect(down == -1)
    case .relu, .relu2:
      #expect(up == .infinity)
      #expect(down == 0)
    // −∞ · 0, as in PyTorch.
    case .gelu, .geluTanh, .quickGELU, .silu, .mish:
      #expect(up == .infinity)
      #expect(down.isNaN)
    }
  }

  @Test func theBiasIsAddedToEveryRow() {
    let rows = 3, columns = 21
    var pre = (0..<rows * columns).map { Float($0) * 0.05 - 1 }
    let bias = (0..<columns).map { Float($0) * -0.1 }
    let expected = pre.enumerated().map { $1 + bias[$0 % columns] }
    var y = [Float](repeating: 0, count: pre.count)
    Activation.silu.forward(.float32, pre: &pre, bias: bias, y: &y, keepsSlopes: true, rows: rows, columns: columns)
    #expect(y == forward(.silu, expected))
    #expect(pre == slopes(.silu, expected))
  }

  @Test(arguments: Activation.allCases) func whoDoesNotAskForSlopesKeepsTheInput(kind: Activation) {
    var pre = Self.sweep, y = pre
    kind.forward(.float32, pre: &pre, bias: nil, y: &y, rows: 1, columns: pre.count)
    #expect(pre == Self.sweep)
  }

  /// In bfloat16 the arithmetic is float32's, and what is stored is rounded to nearest.
  @Test(arguments: Activation.allCases) func bfloat16IsTheRoundedFloat32(kind: Activation) {
    let rows = 3, columns = 37
    var pre = (0..<rows * columns).map { bfloat16(Float($0) * 0.07 - 4) }
    let bias = (0..<columns).map { Float($0) * -0.01 }
    var floats = pre.map(widened)
    var y = [UInt16](repeating: 0, count: pre.count), expected = [Float](repeating: 0, count: pre.count)
    kind.forward(.bfloat16, pre: &pre, bias: bias, y: &y, keepsSlopes: true, rows: rows, columns: columns)
    kind.forward(.float32, pre: &floats, bias: bias, y: &expected, keepsSlopes: true, rows: rows, columns: columns)
    // GELU has a shorter formula there, which may round to the neighbour; elsewhere only the rounding differs.
    for (found, exact) in zip(y + pre, expected + floats) {
      if kind == .gelu {
        #expect(abs(widened(found) - exact) <= 0.004 * abs(exact) + 5e-7)
      } else {
        #expect(found == bfloat16(exact))
      }
    }
  }

  private func forward(_ kind: Activation, _ x: [Float]) -> [Float] {
    var pre = x, y = [Float](repeating: 0, count: x.count)
    kind.forward(.float32, pre: &pre, bias: nil, y: &y, rows: 1, columns: x.count)
    return y
  }

  private func slopes(_ kind: Activation, _ x: [Float]) -> [Float] {
    var pre = x, y = [Float](repeating: 0, count: x.count)
    kind.forward(.float32, pre: &pre, bias: nil, y: &y, keepsSlopes: true, rows: 1, columns: x.count)
    return pre
  }

  private func reference(_ kind: Activation, _ x: Double) -> Double {
    switch kind {
    case .gelu: 0.5 * x * erfc(-x / 2.0.squareRoot())
    case .geluTanh: 0.5 * x * (1 + Foundation.tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case .quickGELU: x / (1 + exp(-1.702 * x))
    case .relu: max(0, x)
    case .silu: x / (1 + exp(-x))
    case .tanh: Foundation.tanh(x)
    case .mish: x * Foundation.tanh(log1p(exp(x)))
    case .relu2: max(0, x) * max(0, x)
    }
  }
}
