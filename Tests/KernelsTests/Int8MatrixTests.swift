import Foundation
import Kernels
import Testing

/// Products in whole numbers against their definition.
@Suite(.enabled(if: Int8Products.isAvailable, "this machine has no int8 products")) struct Int8MatrixTests {
  struct Size: Sendable, CustomTestStringConvertible {
    let rows: Int, out: Int, inputs: Int
    var testDescription: String { "\(rows) x \(inputs) by \(out)" }
  }

  /// Whole pieces, remainders, single rows, and sizes that fill no vector.
  static let sizes = [(1, 5, 7), (16, 24, 40), (48, 100, 33), (272, 320, 192), (160, 1600, 64), (48, 40, 1200)].map {
    Size(rows: $0.0, out: $0.1, inputs: $0.2)
  }

  /// What the definition gives for one number of y: exact sums of rounded numbers.
  struct Rounded {
    let numbers: [Int]
    let rest: [Double]
    let scale: Float
    let hasSpike: Bool

    init(_ values: [Float]) {
      let largest = values.map(abs).max() ?? 0
      let inverse = largest > 0 ? 127 / largest : 0
      scale = largest / 127
      numbers = values.map { Int(($0 * inverse).rounded(.toNearestOrEven)) }
      let squares = values.reduce(0) { $0 + Double($1) * Double($1) }
      hasSpike = Double(largest) * Double(largest) * Double(values.count) > pow(Double(Int8Products.spike), 2) * squares
      rest = zip(values, numbers).map { [scale] in
        scale == 0 ? 0 : (254 * (Double($0) - Double(scale) * Double($1)) / Double(scale)).rounded()
      }
    }
  }

  static func weight(_ size: Size, seed: UInt64 = 1) -> [Float] {
    var values = Philox(seed: seed).normal(size.out * size.inputs, deviation: 0.05, stream: 1)
    // A row of zeros, as pruned models have.
    for column in 0..<size.inputs where size.out > 5 { values[3 * size.inputs + column] = 0 }
    return values
  }

  static func factors(_ size: Size) -> [Float] {
    Philox(seed: 2).normal(size.inputs, deviation: 0.3, stream: 2).map { exp($0) }
  }

  /// Rows in bfloat16, one of them with a spike and one of zeros, where there are several.
  static func rows(_ size: Size, columns: Int) -> [Float] {
    var values = Philox(seed: 3).normal(size.rows * columns, deviation: 1, stream: 3)
    if size.rows > 4 { values[2 * columns + 1] = 900 }
    if size.rows > 4 { for column in 0..<columns { values[4 * columns + column] = 0 } }
    return values.map(bfloat16)
  }

  static func bfloat16(_ value: Float) -> Float {
    let bits = value.bitPattern, rounded = bits + 0x7FFF + (bits >> 16 & 1)
    return Float(bitPattern: rounded & 0xFFFF_0000)
  }

  final class Memory {
    let workspace = Workspace()
    func store(_ values: [Float]) -> Buffer {
      let buffer = workspace.allocate(values.count, .bfloat16)
      for (index, value) in values.enumerated() { buffer.bf16[index] = UInt16(value.bitPattern >> 16) }
      return buffer
    }
    func load(_ buffer: Buffer, _ count: Int) -> [Float] {
      (0..<count).map { Float(bitPattern: UInt32(buffer.bf16[$0]) << 16) }
    }
  }

  func matrix(_ size: Size, isPacked: Bool, isTransposed: Bool = false) -> Int8Matrix {
    let w = Self.weight(size), transposed = (0..<w.count).map { w[$0 % size.out * size.inputs + $0 / size.out] }
    let tensor =
      isTransposed
      ? FrozenTensor(transposed, shape: [size.inputs, size.out]) : FrozenTensor(w, shape: [size.out, size.inputs])
    return Int8Matrix(
      tensor, isTransposed: isTransposed, outputs: 0..<size.out, factors: ColumnFactors(Self.factors(size)),
      isPacked: isPacked)
  }

  /// y and dx of a matrix, each added to numbers that were there.
  func products(_ matrix: Int8Matrix, _ size: Size, threads: Int? = nil) -> (y: [Float], dx: [Float]) {
    let memory = Memory(), workspace = memory.workspace
    workspace.team = threads.map { Team(threads: $0) }
    let x = memory.store(Self.rows(size, columns: size.inputs)), dy = memory.store(Self.rows(size, columns: size.out))
    let y = memory.store(before(size.rows * size.out)), bias = bias(size)
    let dx = workspace.allocate(size.rows * size.inputs)
    for (index, value) in before(size.rows * size.inputs).enumerated() { dx.base[index] = value }
    let rounded = matrix.rounded(x.bf16, rows: size.rows, in: workspace)
    matrix.multiply(
      rounded, into: Operand(UnsafeMutableRawPointer(y.base), .bfloat16, stride: size.out), accumulate: true,
      bias: bias,
      in: workspace)
    matrix.multiplyBackward(
      dy.bf16, rows: size.rows, into: Operand(dx.base, stride: size.inputs), accumulate: true, in: workspace)
    return (memory.load(y, size.rows * size.out), (0..<(size.rows * size.inputs)).map { dx.base[$0] })
  }

  func before(_ count: Int) -> [Float] { Philox(seed: 5).normal(count, deviation: 1, stream: 5).map(Self.bfloat16) }
  func bias(_ size: Size) -> [Float] { Philox(seed: 6).normal(size.out, deviation: 1, stream: 6) }

  @Test(arguments: sizes) func productsAreThoseOfTheDefinition(_ size: Size) {
    let (w, f) = (Self.weight(size), Self.factors(size)), inverses = f.map { 1 / $0 }
    let weights = (0..<size.out).map { o in Rounded((0..<size.inputs).map { w[o * size.inputs + $0] * f[$0] }) }
    let x = Self.rows(size, columns: size.inputs), dy = Self.rows(size, columns: size.out)
    let found = products(matrix(size, isPacked: false), size), bias = bias(size)
    let oldY = before(size.rows * size.out), oldX = before(size.rows * size.inputs)
    for row in 0..<size.rows {
      let u = Rounded((0..<size.inputs).map { x[row * size.inputs + $0] * inverses[$0] })
      for o in 0..<size.out {
        let first = zip(u.numbers, weights[o].numbers).reduce(0) { $0 + $1.0 * $1.1 }
        let second = u.hasSpike ? zip(u.rest, weights[o].numbers).reduce(0) { $0 + $1.0 * Double($1.1) } : 0
        let product = (Double(first) + second / 254) * Double(u.scale) * Double(weights[o].scale)
        let exact = product + Double(bias[o]) + Double(oldY[row * size.out + o])
        let error = abs(Double(found.y[row * size.out + o]) - exact)
        // The result is rounded to bfloat16 once.
        #expect(error <= 0.004 * abs(exact) + 1e-5 * (1 + abs(product)), "y[\(row), \(o)]")
      }
      let g = Rounded((0..<size.out).map { dy[row * size.out + $0] * weights[$0].scale })
      for i in 0..<size.inputs {
        let sum = (0..<size.out).reduce(0) { $0 + g.numbers[$1] * weights[$1].numbers[i] }
        let product = Double(sum) * Double(g.scale) * Double(inverses[i])
        let exact = product + Double(oldX[row * size.inputs + i])
        #expect(
          abs(Double(found.dx[row * size.inputs + i]) - exact) <= 1e-5 * (1 + abs(exact) + abs(product)),
          "dx[\(row), \(i)]")
      }
    }
  }

  /// Sums are exact, so that the bits are the same in any layout, and at any number of threads.
  @Test(arguments: sizes) func layoutAndThreadsDoNotMatter(_ size: Size) {
    let plain = products(matrix(size, isPacked: false), size)
    for isPacked in [true, false] {
      for threads in [nil, 1, 2, 3] {
        let other = products(matrix(size, isPacked: isPacked), size, threads: threads)
        #expect(other == plain, "packed \(isPacked), threads \(threads ?? 0)")
      }
    }
    #expect(products(matrix(size, isPacked: true, isTransposed: true), size) == plain)
  }

  /// Without the second digit a row with a spike would lose its other numbers.
  @Test func aSpikeDoesNotDrownItsRow() {
    let size = Size(rows: 16, out: 64, inputs: 1024)
    let w = Self.weight(size), x = Self.rows(size, columns: size.inputs)
    let matrix = Int8Matrix(
      FrozenTensor(w, shape: [size.out, size.inputs]), outputs: 0..<size.out,
      factors: ColumnFactors([Float](repeating: 1, count: size.inputs)), isPacked: true)
    let memory = Memory(), stored = memory.store(x), y = memory.workspace.allocate(size.rows * size.out)
    let rows = matrix.rounded(stored.bf16, rows: size.rows, in: memory.workspace)
    matrix.multiply(
      rows, into: Operand(y.base, stride: size.out), accumulate: false, bias: nil, in: memory.workspace)
    func error(_ row: Int) -> Double {
      var squares = 0.0
      for o in 0..<size.out {
        let exact = (0..<size.inputs).reduce(0.0) {
          $0 + Double(x[row * size.inputs + $1]) * Double(w[o * size.inputs + $1])
        }
        squares += (Double(y.base[row * size.out + o]) - exact) * (Double(y.base[row * size.out + o]) - exact)
      }
      return (squares / Double(size.out)).squareRoot()
    }
    // The spike of row 2 is weighted in eight bits as any number is: 900 · 0.05 · 0.3 %. Alone, its rounding of the others
    // would add √1024 · 900 / 127 · 0.29 · 0.05 ≈ 3.3.
    #expect(error(2) < 0.6)
    #expect(error(1) < 0.05)
  }

  @Test func factorsShareSpikesWithTheWeights() {
    let factors = ColumnFactors(inputs: [16, 0, 4, .infinity], weights: [1, 1, 0, 1])
    #expect(factors.values == [4, 1, 1, 1])
  }
}
