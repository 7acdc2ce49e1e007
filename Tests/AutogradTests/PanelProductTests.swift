import Autograd
import CKernels
import Foundation
import Kernels
import Testing

/// Products with weights that are held as stored, against the same with the widened weight.
@Suite struct PanelProductTests {
  static let layout = PackedLayout([4, 12])

  /// Several panels either way: 8 MiB are 256 rows or columns of 8,192 numbers.
  @Test(arguments: [(512, 8192), (8192, 512), (192, 320)], [ElementType.q8_0, .q4_0])
  func areThoseOfTheWidenedWeight(shape: (Int, Int), type: ElementType) throws {
    let (out, inputs) = shape, weight = try quantised(out, inputs, type)
    let widened = FrozenTensor.copies(of: [weight], in: .float32)[0]
    let found = run(weight, .float32, threads: 1), wanted = run(widened, .float32, threads: 1)
    try expectClose(found.y, wanted.y, 1e-5)
    try expectClose(found.dx, wanted.dx, 1e-5)
    // The same bits at any number of threads.
    let shared = run(weight, .float32, threads: 3)
    #expect(shared.y == run(weight, .float32, threads: 2).y && shared.dx == run(weight, .float32, threads: 2).dx)
    try expectClose(shared.y, wanted.y, 1e-5)
  }

  @Test(.enabled(if: Products.hasBFloat16), arguments: [(512, 8192), (192, 320)])
  func inBFloat16(shape: (Int, Int)) throws {
    let (out, inputs) = shape, weight = try quantised(out, inputs, .q8_0)
    let rounded = FrozenTensor.copies(of: [weight], in: .bfloat16)[0]
    let found = run(weight, .bfloat16, threads: 1), wanted = run(rounded, .bfloat16, threads: 1)
    try expectClose(found.y, wanted.y, 1e-2)
    try expectClose(found.dx, wanted.dx, 1e-2)
  }

  /// Weights of an earlier checkpoint in float32, taken in panels by products in bfloat16: [out, in] and [in, out].
  @Test(.enabled(if: Products.hasBFloat16), arguments: [true, false])
  func plainNumbersInBFloat16(isTransposed: Bool) throws {
    let values = Philox(seed: 3).normal(96 * 64, deviation: 0.1, stream: 4)
    let weight = FrozenTensor(values, shape: isTransposed ? [64, 96] : [96, 64])
    let layout: WeightLayout = isTransposed ? .columns(16..<80) : .rows
    let found = run(weight, .bfloat16, layout: layout, threads: 1)
    let wanted = run(weight.inBFloat16(), .bfloat16, layout: layout, threads: 1)
    try expectClose(found.y, wanted.y, 1e-2)
    try expectClose(found.dx, wanted.dx, 1e-2)
  }

  /// As with the numbers that the blocks stand for; each row as if it were alone, at any number of threads.
  @Test(arguments: ElementType.allCases.filter(\.isQuantised), [1, 3, 8])
  func aFewRows(type: ElementType, rows: Int) throws {
    // 15 blocks of 32 make groups of 8, 4, 2 and 1.
    let inputs = type.blockSize == 32 ? 480 : 768
    let weight = try quantised(176, inputs, type), widened = FrozenTensor.copies(of: [weight], in: .float32)[0]
    let x = Philox(seed: 1).normal(rows * inputs, deviation: 1, stream: 1)
    func few(_ weight: FrozenTensor, _ x: [Float], threads: Int = 1) -> [Float] {
      let workspace = Workspace()
      workspace.team = Team(threads: threads)
      let tape = Tape(workspace: workspace, parameters: FloatStorage(zeros: 1))
      let input = tape.constant(x, layout: PackedLayout([x.count / inputs]), columns: inputs, needsGradient: false)
      return tape.linearOfFew(input, [AdaptedLinear(FrozenLinear(weight: weight, bias: nil), adapter: nil)])[0].values
    }
    let found = few(weight, x)
    // Where x is rounded to 16 bits, it is off by at most 2⁻¹⁶ of the largest of 32 numbers; so are products with numbers that
    // minima take away again.
    try expectClose(found, few(widened, x), ck_takes_digits(type.stored) ? 1e-4 : 2e-6)
    #expect(few(weight, x, threads: 3) == found)
    for row in 0..<rows {
      #expect(few(weight, Array(x[row * inputs..<(row + 1) * inputs])) == Array(found[row * 176..<(row + 1) * 176]))
    }
  }

  /// Rows of heads in the order of llama.cpp, all or some that cross a head.
  @Test(arguments: [ElementType.q8_0, .q4_0]) func aFewRowsInTheFilesOrder(type: ElementType) throws {
    let whole = try quantised(48, 64, type, order: RowOrder(headSize: 12))
    let x = Philox(seed: 1).normal(2 * 64, deviation: 1, stream: 1)
    for weight in [whole, whole.rows(7..<31)] {
      let widened = FrozenTensor(weight.floats(), shape: weight.shape)
      let results = [weight, widened].map { weight in
        let tape = Tape(workspace: Workspace(), parameters: FloatStorage(zeros: 1))
        let input = tape.constant(x, layout: PackedLayout([2]), columns: 64, needsGradient: false)
        return tape.linearOfFew(input, [AdaptedLinear(FrozenLinear(weight: weight, bias: nil), adapter: nil)])[0].values
      }
      try expectClose(results[0], results[1], ck_takes_digits(type.stored) ? 1e-4 : 2e-6)
    }
  }

  private func run(
    _ weight: FrozenTensor, _ precision: Precision, layout: WeightLayout = .rows, threads: Int
  ) -> (y: [Float], dx: [Float]) {
    let workspace = Workspace()
    if threads > 1 { workspace.team = Team(threads: threads) }
    let tape = Tape(
      workspace: workspace, parameters: FloatStorage(zeros: 1), gradients: FloatStorage(zeros: 1), precision: precision)
    let linear = FrozenLinear(weight: weight, bias: nil, layout: layout)
    let x = tape.constant(
      Philox(seed: 2).normal(Self.layout.rows * linear.inFeatures, deviation: 1, stream: 1), layout: Self.layout,
      columns: linear.inFeatures, needsGradient: true)
    let y = tape.linear(x, AdaptedLinear(linear, adapter: nil))
    y.seedGradient(
      Philox(seed: 2).normal(Self.layout.rows * linear.outFeatures, deviation: 1, stream: 2), in: workspace)
    tape.backward()
    return (y.values, x.gradient ?? [])
  }

  /// Random numbers, quantised.
  private func quantised(_ out: Int, _ inputs: Int, _ type: ElementType, order: RowOrder? = nil) throws -> FrozenTensor
  {
    let values = Philox(seed: 5).normal(out * inputs, deviation: 0.1, stream: 7)
    var bytes = [UInt8](repeating: 0, count: type.byteCount(of: values.count))
    values.withUnsafeBufferPointer { values in
      // Blocks of IQ4_NL, which cannot be written, lie as those of Q4_0.
      let written = type == .iq4_nl ? .q4_0 : type
      bytes.withUnsafeMutableBytes { written.write(values, to: $0.baseAddress!) }
    }
    let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    defer { unlink(path) }
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return FrozenTensor(
      file: try MappedFile(path: path), byteOffset: 0, shape: [out, inputs], elementType: type, rowOrder: order)
  }

  /// Within `tolerance` of the largest number.
  private func expectClose(_ found: [Float], _ wanted: [Float], _ tolerance: Float) throws {
    try #require(found.count == wanted.count)
    let largest = wanted.map(abs).max() ?? 0
    #expect(largest > 0 && zip(found, wanted).allSatisfy { abs($0 - $1) <= tolerance * largest })
  }
}
