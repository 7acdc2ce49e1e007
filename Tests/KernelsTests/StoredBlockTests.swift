import CKernels
import Foundation
import Kernels
import Testing

/// Blocks of GGUF files, against the numbers that gguf-py makes of them (scripts/golden/gguf_blocks.py).
@Suite struct StoredBlockTests {
  static let types = ElementType.allCases.filter(\.isQuantised)
  static let blocks = 24

  @Test(arguments: types) func numbersAreThoseOfGGUFPy(type: ElementType) throws {
    let golden = try Golden(type)
    let tensor = try golden.tensor(shape: [Self.blocks, type.blockSize])
    #expect(tensor.floats().map(\.bitPattern) == golden.numbers.map(\.bitPattern))
    #expect(golden.numbers.contains { $0 != 0 })
  }

  @Test(arguments: types) func rangesAndRowsAreParts(type: ElementType) throws {
    let golden = try Golden(type), size = type.blockSize, columns = 3 * size
    let tensor = try golden.tensor(shape: [8, columns], offset: 1)
    #expect(tensor.rows(2..<5).floats() == Array(golden.numbers[2 * columns..<5 * columns]))
    var part = [Float](repeating: -1, count: 2 * size)
    tensor.widen(range: columns + size..<columns + 3 * size, into: &part)
    #expect(part == Array(golden.numbers[columns + size..<columns + 3 * size]))
  }

  @Test(arguments: types, Precision.allCases) func slabsAndCopiesAreInThePrecision(
    type: ElementType, precision: Precision
  )
    throws
  {
    let golden = try Golden(type), size = type.blockSize, columns = 3 * size
    let tensor = try golden.tensor(shape: [8, columns])
    let wanted = (2..<6).flatMap { golden.numbers[$0 * columns + size..<$0 * columns + 2 * size] }
    var bits = [UInt32](repeating: 0, count: wanted.count)
    bits.withUnsafeMutableBytes {
      tensor.write(rows: 2..<6, columns: size..<2 * size, in: precision, to: $0.baseAddress!)
    }
    switch precision {
    case .float32: #expect(bits == wanted.map(\.bitPattern))
    case .bfloat16:
      let halves = bits.withUnsafeBytes { Array($0.bindMemory(to: UInt16.self).prefix(wanted.count)) }
      #expect(halves == wanted.map(roundedToBFloat16))
    }
    let copy = FrozenTensor.copies(of: [tensor], in: precision)[0]
    #expect(copy.isStored(in: precision) && !tensor.isStored(in: precision))
    #expect(
      copy.floats()
        == golden.numbers.map {
          precision == .float32 ? $0 : Float(bitPattern: UInt32(roundedToBFloat16($0)) << 16)
        })
  }

  @Test(arguments: [ElementType.q8_0, .float32]) func rowsInTheFilesOrder(type: ElementType) throws {
    // Four heads of six rows, as llama.cpp keeps them: of each head rows 0, 3, 1, 4, 2, 5.
    let golden = try Golden(.q8_0), columns = 32, heads = 4, size = 6
    let place = { (row: Int) in row / size * size + row % size % (size / 2) * 2 + row % size / (size / 2) }
    let tensor = try golden.tensor(
      shape: [heads * size, columns], order: RowOrder(headSize: size), asFloats: type == .float32)
    let rows = (0..<heads * size).map { Array(golden.numbers[place($0) * columns..<(place($0) + 1) * columns]) }
    #expect(rows[1] == Array(golden.numbers[2 * columns..<3 * columns]))
    #expect(tensor.floats() == rows.flatMap { $0 })
    let part = tensor.rows(7..<20)
    #expect(part.floats() == rows[7..<20].flatMap { $0 })
    #expect(part.rows(2..<4).floats() == rows[9..<11].flatMap { $0 })
    tensor.forget(0..<tensor.count)
    #expect(tensor.floats() == rows.flatMap { $0 })
  }

  @Test(arguments: [ElementType.q8_0, .q4_0, .q4_1, .q5_0, .q5_1])
  func numbersAreQuantisedAsByGGUFPy(type: ElementType) throws {
    let bytes = [UInt8](try Data(contentsOf: Golden.url("quantised-\(type.rawValue)"))), count = 64 * 32
    let numbers = bytes.withUnsafeBytes { raw in
      (0..<count).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
    #expect(quantised(numbers, type) == Array(bytes[(4 * count)...]))
  }

  /// Scales by least squares: better than those of the obvious step, whose error on normal numbers is that of Q4_1.
  @Test(arguments: [(ElementType.q4_k, 0.074), (.q5_k, 0.037), (.q6_k, 0.019), (.q8_0, 0.0056)])
  func quantisedNumbersAreNear(type: ElementType, most: Double) throws {
    let numbers = Philox(seed: 4).normal(256 * 64, deviation: 0.05, stream: 1)
    let again = try Golden(type, blocks: quantised(numbers, type)).tensor(shape: [64, 256]).floats()
    let error = zip(numbers, again).reduce(0.0) { $0 + pow(Double($1.0 - $1.1), 2) }
    let whole = numbers.reduce(0.0) { $0 + pow(Double($1), 2) }
    #expect((error / whole).squareRoot() < most)
  }

  /// Zeros, and whole numbers in the range of a block.
  @Test(arguments: ElementType.writable.filter(\.isQuantised)) func simpleNumbersComeBackWithinHalfAStep(
    type: ElementType
  ) throws {
    for numbers in [[Float](repeating: 0, count: 256), (0..<256).map { Float($0 % 16) - 8 }] {
      let again = try Golden(type, blocks: quantised(numbers, type)).tensor(shape: [1, 256]).floats()
      #expect(zip(numbers, again).allSatisfy { abs($0 - $1) <= 0.25 }, "\(again)")
    }
  }

  /// Of equal numbers no step can be found by least squares.
  @Test(arguments: ElementType.writable.filter(\.isQuantised)) func equalNumbersComeBack(type: ElementType) throws {
    for number: Float in [2, 0.1, 3e-3, -1, -0.07] {
      let numbers = [Float](repeating: number, count: 256)
      let again = try Golden(type, blocks: quantised(numbers, type)).tensor(shape: [1, 256]).floats()
      #expect(again.allSatisfy { abs($0 / number - 1) < 1e-2 }, "\(number): \(again[0])")
    }
  }

  @Test func finerTypesForShortRows() {
    #expect(ElementType.q4_k.fitting(columns: 512) == .q4_k && ElementType.q4_k.fitting(columns: 576) == .q5_0)
    #expect(ElementType.q5_k.fitting(columns: 576) == .q5_1 && ElementType.q6_k.fitting(columns: 576) == .q8_0)
    #expect(ElementType.q6_k.fitting(columns: 24) == .float16 && ElementType.float32.fitting(columns: 7) == .float32)
  }

  private func quantised(_ numbers: [Float], _ type: ElementType) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: type.byteCount(of: numbers.count))
    numbers.withUnsafeBufferPointer { numbers in
      bytes.withUnsafeMutableBytes { type.write(numbers, to: $0.baseAddress!) }
    }
    return bytes
  }

  private func roundedToBFloat16(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    return UInt16((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
  }

  private struct Golden {
    let type: ElementType
    let blocks: [UInt8]
    let numbers: [Float]

    static func url(_ name: String) -> URL {
      URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/\(name).bin")
    }

    init(_ type: ElementType, blocks: [UInt8]) { (self.type, self.blocks, numbers) = (type, blocks, []) }

    init(_ type: ElementType) throws {
      self.type = type
      let bytes = [UInt8](try Data(contentsOf: Self.url(type.rawValue))),
        size = StoredBlockTests.blocks * type.blockBytes
      blocks = Array(bytes[..<size])
      numbers = bytes[size...].withUnsafeBytes { raw in
        (0..<StoredBlockTests.blocks * type.blockSize).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
      }
      #expect(bytes.count == size + 4 * numbers.count)
    }

    func tensor(shape: [Int], offset: Int = 0, order: RowOrder? = nil, asFloats: Bool = false) throws -> FrozenTensor {
      let content = asFloats ? numbers.withUnsafeBytes { Array($0) } : blocks
      let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
      defer { unlink(path) }
      try Data([UInt8](repeating: 0xEE, count: offset) + content).write(to: URL(fileURLWithPath: path))
      return FrozenTensor(
        file: try MappedFile(path: path), byteOffset: offset, shape: shape, elementType: asFloats ? .float32 : type,
        rowOrder: order)
    }
  }
}
