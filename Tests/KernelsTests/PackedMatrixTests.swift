import Foundation
import Kernels
import Testing

/// Weights in the products' own layout against the stored ones.
@Suite(.enabled(if: Products.hasPackedLayouts, "products have no layouts of their own")) struct PackedMatrixTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let rows: Int, out: Int, inputs: Int
    let precision: Precision
    var testDescription: String { "\(rows) x \(inputs) by \(out), \(precision)" }
  }

  static let cases =
    (Products.hasBFloat16 ? [Precision.float32, .bfloat16] : [.float32]).flatMap { precision in
      [
        (1, 7, 5), (16, 33, 40), (48, 100, 64), (144, 576, 192), (256, 192, 576), (272, 384, 1536), (40, 1536, 384),
        // A vocabulary.
        (160, 24000, 96),
      ].map {
        Case(rows: $0.0, out: $0.1, inputs: $0.2, precision: precision)
      }
    } + (Products.hasBFloat16 ? [Case(rows: 160, out: 49152, inputs: 576, precision: .bfloat16)] : [])

  func numbers(_ count: Int, _ stream: UInt64, _ precision: Precision, in workspace: Workspace) -> Buffer {
    let values = Philox(seed: 4).normal(count, deviation: 0.3, stream: stream)
    let buffer = workspace.allocate(count, precision)
    for (index, value) in values.enumerated() {
      switch precision {
      case .float32: buffer.base[index] = value
      case .bfloat16: buffer.bf16[index] = UInt16(value.bitPattern >> 16)
      }
    }
    return buffer
  }

  func weight(_ test: Case, isTransposed: Bool = false) -> FrozenTensor {
    let values = Philox(seed: 4).normal(test.out * test.inputs, deviation: 0.1, stream: 1)
    let rows = FrozenTensor(values, shape: [test.out, test.inputs])
    let transposed = (0..<values.count).map { values[$0 % test.out * test.inputs + $0 / test.out] }
    let tensor = isTransposed ? FrozenTensor(transposed, shape: [test.inputs, test.out]) : rows
    return test.precision == .bfloat16 ? tensor.inBFloat16() : tensor
  }

  /// The bytes of y and dx.
  func products(
    _ test: Case, threads: Int? = nil, _ multiply: (Products, _ x: Operand, Operand, _ bias: [Float], Bool) -> Void
  ) -> [[UInt8]] {
    [true, false].map { isForward in
      let workspace = Workspace(), (n, k) = isForward ? (test.out, test.inputs) : (test.inputs, test.out)
      workspace.team = threads.map { Team(threads: $0) }
      let x = numbers(test.rows * k, 2, test.precision, in: workspace)
      let y = numbers(test.rows * n, 3, test.precision, in: workspace)
      func operand(_ buffer: Buffer, _ stride: Int) -> Operand {
        Operand(UnsafeMutableRawPointer(buffer.base), test.precision, stride: stride)
      }
      let bias = Philox(seed: 4).normal(n, deviation: 1, stream: 5)
      multiply(workspace.products, operand(x, k), operand(y, n), bias, isForward)
      let bytes = UnsafeRawBufferPointer(start: y.base, count: test.rows * n * test.precision.byteCount)
      return withExtendedLifetime(x) { Array(bytes) }
    }
  }

  func packed(_ test: Case, _ matrix: PackedMatrix, threads: Int? = nil) -> [[UInt8]] {
    products(test, threads: threads) { products, x, y, bias, isForward in
      products.multiply(
        test.rows, x, matrix, isForward ? .forward : .backward, into: y, accumulate: true, bias: isForward ? bias : nil)
    }
  }

  /// The layout is chosen by the memory of the machine, so that it must not show in the bits.
  @Test(arguments: cases) func theBitsAreThoseOfTheStoredWeight(_ test: Case) throws {
    let tensor = weight(test)
    func stored(threads: Int?) -> [[UInt8]] {
      products(test, threads: threads) { products, x, y, bias, isForward in
        let w = Operand(UnsafeMutableRawPointer(mutating: tensor.bytes), test.precision, stride: test.inputs)
        if isForward {
          products.multiply(
            test.rows, test.out, test.inputs, x, w.transposed, into: y, accumulate: true, bias: bias, byRows: true)
        } else {
          products.multiply(test.rows, test.inputs, test.out, x, w, into: y, accumulate: true, byRows: true)
        }
      }
    }
    let alone = stored(threads: nil)
    let matrix = try #require(PackedMatrix(tensor, outputs: 0..<test.out, precision: test.precision))
    #expect(packed(test, matrix) == alone)
    // A shard alone has a team, whose pieces must not show in the bits either.
    for threads in [1, 2, 3, 8] {
      #expect(stored(threads: threads) == alone, "stored, \(threads) threads")
      #expect(packed(test, matrix, threads: threads) == alone, "packed, \(threads) threads")
    }
    let transposed = weight(test, isTransposed: true)
    for threads in [1, 3] {
      let found = products(test, threads: threads) { products, x, y, bias, isForward in
        let w = Operand(UnsafeMutableRawPointer(mutating: transposed.bytes), test.precision, stride: test.out)
        if isForward {
          products.multiply(test.rows, test.out, test.inputs, x, w, into: y, accumulate: true, bias: bias, byRows: true)
        } else {
          products.multiply(
            test.rows, test.inputs, test.out, x, w.transposed, into: y, accumulate: true, byRows: true)
        }
      }
      #expect(found == alone, "stored as its transpose, \(threads) threads")
    }
    let other = PackedMatrix(transposed, isTransposed: true, outputs: 0..<test.out, precision: test.precision)
    #expect(packed(test, try #require(other)) == alone)
  }

  @Test func someOutputsOfAWeight() throws {
    let test = Case(rows: 16, out: 24, inputs: 40, precision: .float32), tensor = weight(test)
    let part = Case(rows: 16, out: 8, inputs: 40, precision: .float32)
    let own = FrozenTensor(Array(tensor.floats()[(10 * 40)..<(18 * 40)]), shape: [8, 40])
    let matrix = try #require(PackedMatrix(tensor, outputs: 10..<18, precision: .float32))
    let expected = try #require(PackedMatrix(own, outputs: 0..<8, precision: .float32))
    #expect(packed(part, matrix) == packed(part, expected))
    let transposed = weight(test, isTransposed: true)
    let columns = PackedMatrix(transposed, isTransposed: true, outputs: 10..<18, precision: .float32)
    #expect(packed(part, try #require(columns)) == packed(part, expected))
  }
}
