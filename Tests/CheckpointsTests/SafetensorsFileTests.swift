import Diagnostics
import Foundation
import Kernels
import Testing

@testable import Checkpoints

@Suite struct SafetensorsFileTests {
  @Test func readsWhatPythonWrote() throws {
    let scratch = try Scratch()
    let file = try SafetensorsFile(path: scratch.file("python.safetensors", pythonFixture))
    #expect(
      file.names == [
        "embeddings.position_ids", "Größe\n\"q\"", "a.bias", "b.weight", "empty", "scalar", "brain", "half", "mask",
      ])
    #expect(file.metadata == ["format": "pt"])
    #expect(file.info("b.weight") == .init(shape: [2, 3], dtype: .float32, byteCount: 24))
    #expect(file.info("embeddings.position_ids") == .init(shape: [1, 3], dtype: .int64, byteCount: 24))
    #expect(file.info("nothing") == nil)
    let weight = try file.tensor("b.weight").floats()
    #expect(weight == [1.5, -2, 3, 0.1, .infinity, -0.0] && weight[5].sign == .minus)
    #expect(try file.tensor("a.bias").floats() == [0.5, 0.25])
    #expect(try file.tensor("half").floats() == [1, 0x1p-24, 65504, -0.333_251_953_125])
    #expect(try file.tensor("brain").floats() == [1, 3.140625, Float(bitPattern: 0xFE96_0000)])
    #expect(try file.tensor("scalar").floats() == [7] && file.tensor("scalar").shape == [])
    #expect(try file.tensor("empty").floats() == [] && file.tensor("empty").shape == [0, 4])
    #expect(try file.tensor("Größe\n\"q\"").floats() == [2])
    #expect(try file.bytes(of: "mask") == [1, 0, 1])
  }

  @Test func aTensorThatCannotBeHadIsNamed() throws {
    let scratch = try Scratch()
    let file = try SafetensorsFile(path: scratch.file("m.safetensors", pythonFixture))
    let i64 = #"m.safetensors: tensor "embeddings.position_ids": weights of type I64 are not supported; "#
    expectError(i64 + "supported: F32, F16, BF16", dropping: scratch.path) {
      _ = try file.tensor("embeddings.position_ids")
    }
    expectError(#"m.safetensors: no tensor "b.weigth"; did you mean "b.weight"?"#, dropping: scratch.path) {
      _ = try file.tensor("b.weigth")
    }
    expectError(#"m.safetensors: no tensor "x.y.z""#, dropping: scratch.path) { _ = try file.bytes(of: "x.y.z") }
  }

  @Test func everyTruncationIsRefused() throws {
    let scratch = try Scratch()
    for length in 0..<pythonFixture.count {
      let path = try scratch.file("cut", Array(pythonFixture[..<length]))
      #expect(throws: SafetensorsError.self, "\(length) bytes") { _ = try SafetensorsFile(path: path) }
    }
  }

  @Test func everyBitFlipInTheHeaderIsReadOrRefused() throws {
    let scratch = try Scratch()
    for position in 0..<(8 + 0x258) {
      var bytes = pythonFixture
      bytes[position] ^= UInt8(1 << (position % 8))
      let path = try scratch.file("flipped", bytes)
      do {
        let file = try SafetensorsFile(path: path)
        for name in file.names { _ = try? file.tensor(name).floats() }
      } catch is SafetensorsError {}
    }
  }

  @Test func everyHalfWidensExactly() throws {
    let all = (0...UInt16.max).map { $0 }
    let scratch = try Scratch()
    let path = scratch.path + "/halves"
    try SafetensorsWriter.write(
      [
        SafetensorsTensor(name: "half", shape: [65_536], type: .float16, bits16: all),
        SafetensorsTensor(name: "brain", shape: [65_536], type: .bfloat16, bits16: all),
      ], to: path)
    let file = try SafetensorsFile(path: path)
    let halves = try file.tensor("half").floats(), brains = try file.tensor("brain").floats()
    for bits in all {
      let sign = bits >> 15 == 1 ? -1.0 : 1.0
      #expect(same(halves[Int(bits)], sign, Int(bits >> 10 & 31), Double(bits & 1023) / 1024, bias: 15, top: 31))
      #expect(same(brains[Int(bits)], sign, Int(bits >> 7 & 255), Double(bits & 127) / 128, bias: 127, top: 255))
    }
  }

  /// Whether `value` is the IEEE number of these fields, computed in double precision.
  private func same(_ value: Float, _ sign: Double, _ exponent: Int, _ fraction: Double, bias: Int, top: Int) -> Bool {
    if exponent == top { return fraction == 0 ? Double(value) == sign * .infinity : value.isNaN }
    let magnitude =
      exponent == 0 ? fraction * pow(2, Double(1 - bias)) : (1 + fraction) * pow(2, Double(exponent - bias))
    return Double(value) == sign * magnitude && (value.sign == .minus) == (sign < 0)
  }
}
