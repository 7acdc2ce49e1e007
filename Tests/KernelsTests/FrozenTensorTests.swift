import Foundation
import Kernels
import Testing

@Suite struct FrozenTensorTests {
  @Test func everySixteenBitNumberIsWidenedExactly() throws {
    let tensor = try everyPattern(.float16)
    let floats = tensor.floats()
    for bits in 0..<65536 {
      let exponent = bits >> 10 & 31, fraction = bits & 1023
      let value = floats[bits], sign: Float = bits >> 15 == 0 ? 1 : -1
      switch exponent {
      case 31:
        #expect(fraction == 0 ? value == sign * .infinity : value.isNaN)
      case 0:
        #expect(value == sign * Float(fraction) * 0x1p-24)
      default:
        #expect(value == sign * Float(1024 + fraction) * Float(sign: .plus, exponent: exponent - 25, significand: 1))
      }
      #expect(value.sign == (bits >> 15 == 0 ? .plus : .minus))
    }
  }

  @Test func everyBFloat16IsWidenedExactly() throws {
    let floats = try everyPattern(.bfloat16).floats()
    for bits in 0..<65536 { #expect(floats[bits].bitPattern == UInt32(bits) << 16) }
  }

  @Test(arguments: [ElementType.float32, .bfloat16, .float16], [0, 1, 3])
  func rangesAreReadAtAnyAlignment(type: ElementType, offset: Int) throws {
    // 1, 2, …, 40 in each type, behind `offset` bytes.
    var bytes = [UInt8](repeating: 0xEE, count: offset)
    for number in 1...40 {
      let float = Float(number).bitPattern
      switch type {
      case .bfloat16: withUnsafeBytes(of: UInt16(float >> 16)) { bytes += $0 }
      case .float16:
        withUnsafeBytes(of: UInt16(truncatingIfNeeded: (float >> 13) - (112 << 10))) { bytes += $0 }
      default: withUnsafeBytes(of: float) { bytes += $0 }
      }
    }
    let tensor = FrozenTensor(file: try mapped(bytes), byteOffset: offset, shape: [4, 5, 2], elementType: type)
    #expect(tensor.floats() == (1...40).map { Float($0) })
    #expect((tensor.rows, tensor.columns, tensor.count) == (4, 10, 40))
    var part = [Float](repeating: -1, count: 24)
    tensor.widen(range: 17..<40, into: &part)
    #expect(part == (18...40).map { Float($0) } + [-1])
  }

  @Test func anArrayIsATensor() {
    let tensor = FrozenTensor([1, 2, 3], shape: [3])
    #expect(tensor.floats() == [1, 2, 3])
    #expect((tensor.rows, tensor.columns, tensor.elementType) == (3, 1, .float32))
  }

  private func everyPattern(_ type: ElementType) throws -> FrozenTensor {
    var bytes: [UInt8] = []
    for bits in 0..<65536 { bytes += [UInt8(bits & 255), UInt8(bits >> 8)] }
    return FrozenTensor(file: try mapped(bytes), byteOffset: 0, shape: [65536], elementType: type)
  }
}
