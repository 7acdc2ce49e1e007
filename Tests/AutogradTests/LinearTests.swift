import Autograd
import Foundation
import Kernels
import Testing

@Suite struct LinearTests {
  /// One map under test: its size, adapter and where the bias is added.
  struct Map: Sendable {
    var out: Int
    var adapter: LowRankAdapter?
    var addsBias = true
    var elementType = ElementType.float32
  }

  static let layout = PackedLayout([4, 1, 6])
  static let inputs = 10
  static let source = DropoutSource(philox: Philox(seed: 9), step: 3)

  @Test(arguments: [true, false], ElementType.allCases.filter { !$0.isQuantised })
  func aFrozenMap(needsGradient: Bool, type: ElementType) throws {
    try check([Map(out: 7, adapter: nil, elementType: type)], parameters: 0, needsGradient: needsGradient)
  }

  @Test(arguments: [true, false], ElementType.allCases.filter { !$0.isQuantised })
  func oneMapWithAnAdapter(needsGradient: Bool, type: ElementType) throws {
    for addsBias in [true, false] {
      try check(
        [Map(out: 7, adapter: adapter(a: 0, b: 20, rank: 2, out: 7), addsBias: addsBias, elementType: type)],
        parameters: 34, needsGradient: needsGradient)
    }
  }

  /// A's side by side in memory form one product; the second map has none.
  @Test(arguments: [true, false]) func stackedAdapters(needsGradient: Bool) throws {
    try check(
      [
        Map(out: 7, adapter: adapter(a: 0, b: 60, rank: 2, out: 7)), Map(out: 5, adapter: nil),
        Map(out: 6, adapter: adapter(a: 20, b: 90, rank: 3, out: 6, scale: -0.5)),
      ], parameters: 110, needsGradient: needsGradient)
  }

  @Test(arguments: [true, false]) func adaptersApartInMemory(needsGradient: Bool) throws {
    try check(
      [
        Map(out: 7, adapter: adapter(a: 40, b: 0, rank: 2, out: 7)),
        Map(out: 6, adapter: adapter(a: 70, b: 14, rank: 3, out: 6)),
        Map(out: 4, adapter: adapter(a: 100, b: 32, rank: 1, out: 4)),
      ], parameters: 110, needsGradient: needsGradient)
  }

  @Test(arguments: [true, false]) func dropoutOnTheAdaptersInput(needsGradient: Bool) throws {
    try check(
      [
        Map(out: 7, adapter: adapter(a: 0, b: 60, rank: 2, out: 7, dropout: 0.4, site: 5)),
        Map(out: 6, adapter: adapter(a: 20, b: 80, rank: 3, out: 6, dropout: 0.4, site: 6)),
        Map(out: 5, adapter: adapter(a: 50, b: 100, rank: 1, out: 5)),
      ], parameters: 110, needsGradient: needsGradient)
  }

  /// Two sites that name one tensor: its gradient is the sum.
  @Test(arguments: [true, false], [0, 0.4] as [Float]) func sharedA(needsGradient: Bool, dropout: Float) throws {
    try check(
      [
        Map(out: 7, adapter: adapter(a: 0, b: 60, rank: 2, out: 7, dropout: dropout, site: 1)),
        Map(out: 6, adapter: adapter(a: 0, b: 80, rank: 2, out: 6, scale: 0.3, dropout: dropout, site: 2)),
        Map(out: 5, adapter: adapter(a: 0, b: 96, rank: 2, out: 5, dropout: dropout, site: 3)),
      ], parameters: 110, needsGradient: needsGradient)
  }

  /// A shared A, one that follows it in memory, and the shared one again.
  @Test func sharedAndStackedA() throws {
    try check(
      [
        Map(out: 7, adapter: adapter(a: 0, b: 60, rank: 2, out: 7)),
        Map(out: 6, adapter: adapter(a: 20, b: 80, rank: 2, out: 6)),
        Map(out: 5, adapter: adapter(a: 0, b: 96, rank: 2, out: 5)),
      ], parameters: 110, needsGradient: true)
  }

  @Test(arguments: [true, false]) func sharedB(needsGradient: Bool) throws {
    try check(
      [
        Map(out: 6, adapter: adapter(a: 0, b: 60, rank: 2, out: 6)),
        Map(out: 6, adapter: adapter(a: 20, b: 60, rank: 2, out: 6, scale: 0.3)),
      ], parameters: 80, needsGradient: needsGradient)
  }

  @Test(arguments: [true, false], [0, 0.4] as [Float]) func sharedAAndB(needsGradient: Bool, dropout: Float) throws {
    try check(
      [
        Map(out: 6, adapter: adapter(a: 0, b: 60, rank: 2, out: 6, dropout: dropout, site: 1)),
        Map(out: 6, adapter: adapter(a: 0, b: 60, rank: 2, out: 6, dropout: dropout, site: 2)),
      ], parameters: 80, needsGradient: needsGradient)
  }

  /// The same tensors at two depths, as with a strategy that shares across layers.
  @Test func sharedAcrossLayers() throws {
    let shared = adapter(a: 0, b: 60, rank: 2, out: Self.inputs)
    let first = try frozen(Self.inputs, .float32, stream: 10), second = try frozen(Self.inputs, .float32, stream: 20)
    checkGradients(
      [Leaf(Self.layout, columns: Self.inputs, stream: 1)], parameters: normal(80, stream: 2, deviation: 0.5),
      operation: { tape, x in
        let y = tape.linear(x[0], AdaptedLinear(first, adapter: shared))
        return [tape.linear(y, AdaptedLinear(second, adapter: shared))]
      },
      reference: { x, parameters in
        let y = self.reference(x[0], first, shared, true, parameters)
        return [self.reference(y, second, shared, true, parameters)]
      })
  }

  /// Only one of the outputs is used further on.
  @Test func anOutputNobodyReads() throws {
    let maps = [adapter(a: 0, b: 60, rank: 2, out: 6), adapter(a: 20, b: 72, rank: 2, out: 6)]
    let linear = try frozen(6, .float32, stream: 10)
    checkGradients(
      [Leaf(Self.layout, columns: Self.inputs, stream: 1)], parameters: normal(84, stream: 2, deviation: 0.5),
      operation: { tape, x in
        [tape.linear(x[0], maps.map { AdaptedLinear(linear, adapter: $0) })[1]]
      },
      reference: { x, parameters in [self.reference(x[0], linear, maps[1], true, parameters)] })
  }

  @Test func withoutADropoutSourceNothingIsDropped() throws {
    let linear = try frozen(6, .float32, stream: 10)
    let dropping = adapter(a: 0, b: 20, rank: 2, out: 6, dropout: 0.5)
    checkGradients(
      [Leaf(Self.layout, columns: Self.inputs, stream: 1)], parameters: normal(32, stream: 2),
      operation: { tape, x in [tape.linear(x[0], AdaptedLinear(linear, adapter: dropping))] },
      reference: { x, parameters in
        [self.reference(x[0], linear, self.adapter(a: 0, b: 20, rank: 2, out: 6), true, parameters)]
      })
  }

  @Test(arguments: [true, false]) func aTrainedLayer(needsGradient: Bool) {
    let weight = ParameterReference(offset: 3, rows: 4, columns: Self.inputs)
    let bias = ParameterReference(offset: 50, rows: 4, columns: 1)
    checkGradients(
      [Leaf(Self.layout, columns: Self.inputs, stream: 1, needsGradient: needsGradient)],
      parameters: normal(60, stream: 2),
      operation: { tape, x in [tape.trainableLinear(x[0], weight: weight, bias: bias)] },
      reference: { x, parameters in
        [x[0].timesTransposed(Matrix(parameters, weight)).plus(row: Array(parameters[bias.range]))]
      })
  }

  /// Rounded weights: rounding x and W to eight bits is an error of a percent or so, and gradients are those of the
  /// unrounded map.
  @Test(.enabled(if: Int8Products.isAvailable, "this machine has no int8 products"), arguments: [true, false])
  func mapsRoundedToEightBits(needsGradient: Bool) throws {
    let maps = [adapter(a: 0, b: 20, rank: 2, out: 7), adapter(a: 0, b: 40, rank: 2, out: 6, scale: -0.5), nil]
    let frozenMaps = try [7, 6, 5].enumerated().map { try frozen($1, .float32, stream: 10 + 10 * UInt64($0)) }
    let factors = ColumnFactors((0..<Self.inputs).map { 0.5 + 0.1 * Float($0) })
    let other = ColumnFactors([Float](repeating: 1, count: Self.inputs))
    let rounded = frozenMaps.enumerated().map { index, map in
      FrozenLinear(
        weight: map.weight, bias: map.bias,
        prepared: .int8(map.rounded(index == 2 ? other : factors, isPacked: index == 0)))
    }
    checkGradients(
      [Leaf(Self.layout, columns: Self.inputs, stream: 1, needsGradient: needsGradient)],
      parameters: normal(52, stream: 2, deviation: 0.5), precision: .bfloat16, tolerance: 0.05,
      operation: { tape, x in tape.linear(x[0], zip(maps, rounded).map { AdaptedLinear($1, adapter: $0) }) },
      reference: { x, parameters in
        zip(maps, frozenMaps).map { self.reference(x[0], $1, $0, true, parameters) }
      })
  }

  /// Generating text computes in float32 whatever a run was trained in.
  @Test(.enabled(if: Int8Products.isAvailable, "this machine has no int8 products"))
  func anotherPrecisionTakesTheStoredWeight() throws {
    let map = try frozen(7, .float32, stream: 10), values = normal(Self.layout.rows * Self.inputs, stream: 1)
    let factors = ColumnFactors([Float](repeating: 2, count: Self.inputs))
    func outputs(_ prepared: PreparedWeight?) -> [Float] {
      let linear = FrozenLinear(weight: map.weight, bias: map.bias, prepared: prepared)
      let tape = Tape(workspace: Workspace(), parameters: FloatStorage(zeros: 0))
      let x = tape.constant(values, layout: Self.layout, columns: Self.inputs)
      return tape.linear(x, AdaptedLinear(linear, adapter: nil)).values
    }
    #expect(outputs(.int8(map.rounded(factors, isPacked: true))) == outputs(nil))
    #expect(outputs(map.packed(.bfloat16).map { .packed($0) }) == outputs(nil))
  }

  private func check(_ maps: [Map], parameters: Int, needsGradient: Bool) throws {
    let frozenMaps = try maps.enumerated().map { try frozen($1.out, $1.elementType, stream: 10 + 10 * UInt64($0)) }
    for precision in testedPrecisions {
      checkGradients(
        [Leaf(Self.layout, columns: Self.inputs, stream: 1, needsGradient: needsGradient)],
        parameters: normal(parameters, stream: 2, deviation: 0.5), dropout: Self.source, precision: precision,
        tolerance: precision.tolerance(),
        operation: { tape, x in
          tape.linear(
            x[0], zip(maps, frozenMaps).map { AdaptedLinear($1, adapter: $0.adapter, addsBias: $0.addsBias) })
        },
        reference: { x, parameters in
          zip(maps, frozenMaps).map { self.reference(x[0], $1, $0.adapter, $0.addsBias, parameters) }
        })
    }
  }

  private func reference(
    _ x: Matrix, _ linear: FrozenLinear, _ adapter: LowRankAdapter?, _ addsBias: Bool, _ parameters: [Double]
  ) -> Matrix {
    var y = x.timesTransposed(Matrix(linear.weight))
    if addsBias, let bias = linear.bias { y = y.plus(row: bias.floats().map(Double.init)) }
    guard let adapter else { return y }
    var input = x
    if adapter.dropout > 0 {
      input =
        x
        * Self.source.mask(
          Self.layout, columns: x.columns, probability: adapter.dropout, site: adapter.dropoutSite)
    }
    let a = Matrix(parameters, adapter.a), b = Matrix(parameters, adapter.b)
    return y + Double(adapter.scale) * input.timesTransposed(a).timesTransposed(b)
  }

  private func adapter(
    a: Int, b: Int, rank: Int, out: Int, scale: Float = 2, dropout: Float = 0, site: Int = 0
  ) -> LowRankAdapter {
    LowRankAdapter(
      a: ParameterReference(offset: a, rows: rank, columns: Self.inputs),
      b: ParameterReference(offset: b, rows: out, columns: rank), scale: scale, dropout: dropout, dropoutSite: site)
  }

  private func frozen(_ out: Int, _ type: ElementType, stream: UInt64) throws -> FrozenLinear {
    FrozenLinear(
      weight: try stored(normal(out * Self.inputs, stream: stream), shape: [out, Self.inputs], as: type),
      bias: FrozenTensor(normal(out, stream: stream + 1), shape: [out]))
  }
}

/// A tensor in a file of the given type, at an odd place.
func stored(_ values: [Float], shape: [Int], as type: ElementType) throws -> FrozenTensor {
  var bytes: [UInt8] = [0xFF]
  for value in values {
    switch type {
    case .bfloat16: withUnsafeBytes(of: UInt16(value.bitPattern >> 16)) { bytes += $0 }
    case .float16:
      // Cut off, not rounded; what is tiny becomes 0.
      let bits = value.bitPattern, exponent = Int(bits >> 23 & 255) - 112
      let magnitude = exponent < 1 ? 0 : UInt16(exponent << 10) | UInt16(bits >> 13 & 1023)
      withUnsafeBytes(of: UInt16(bits >> 16 & 0x8000) | magnitude) { bytes += $0 }
    default: withUnsafeBytes(of: value.bitPattern) { bytes += $0 }
    }
  }
  let url = FileManager.default.temporaryDirectory.appendingPathComponent("swift-peft-\(UUID().uuidString)")
  try Data(bytes).write(to: url)
  defer { try? FileManager.default.removeItem(at: url) }
  return FrozenTensor(file: try MappedFile(path: url.path), byteOffset: 1, shape: shape, elementType: type)
}
