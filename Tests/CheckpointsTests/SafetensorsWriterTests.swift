import Checkpoints
import Diagnostics
import Foundation
import Kernels
import Testing

@Suite struct SafetensorsWriterTests {
  private var pythonTensors: [SafetensorsTensor] {
    [
      SafetensorsTensor(name: "scalar", shape: [], [7]),
      SafetensorsTensor(name: "mask", shape: [3], type: .bool, bytes: [1, 0, 1]),
      SafetensorsTensor(name: "half", shape: [4], type: .float16, bits16: [0x3C00, 1, 0x7BFF, 0xB555]),
      SafetensorsTensor(name: "brain", shape: [3], type: .bfloat16, bits16: [0x3F80, 0x4049, 0xFE96]),
      SafetensorsTensor(name: "empty", shape: [0, 4], []),
      SafetensorsTensor(name: "b.weight", FrozenTensor([1.5, -2, 3, 0.1, .infinity, -0.0], shape: [2, 3])),
      SafetensorsTensor(name: "a.bias", shape: [2], [0.5, 0.25]),
      SafetensorsTensor(
        name: "embeddings.position_ids", shape: [1, 3], type: .int64,
        bytes: (0..<3).flatMap { [$0, 0, 0, 0, 0, 0, 0, 0] }),
      SafetensorsTensor(name: "Größe\n\"q\"", shape: [1], [2]),
    ]
  }

  @Test func writesTheBytesThatPythonWrites() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/ours.safetensors"
    for tensors in [pythonTensors, pythonTensors.reversed()] {
      try SafetensorsWriter.write(tensors, metadata: ["format": "pt"], to: path)
      #expect(try [UInt8](Data(contentsOf: URL(fileURLWithPath: path))) == pythonFixture)
    }
    #expect(try scratch.names == ["ours.safetensors"])
  }

  @Test func metadataAndNamesAreSorted() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/m"
    let tensors = [("b", 2), ("Z", 1), ("a.10", 1), ("a.2", 3)].map { name, count in
      SafetensorsTensor(name: name, shape: [count], [Float](repeating: 1, count: count))
    }
    try SafetensorsWriter.write(tensors, metadata: ["z": "1", "format": "pt", "a": "é"], to: path)
    let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
    let length = Int(bytes[0]) | Int(bytes[1]) << 8
    #expect(length % 8 == 0 && bytes.count == 8 + length + 4 * 7)
    let header = String(decoding: bytes[8..<(8 + length)], as: UTF8.self)
    #expect(header.hasPrefix(#"{"__metadata__":{"a":"é","format":"pt","z":"1"},"Z":{"#))
    let file = try SafetensorsFile(path: path)
    #expect(file.names == ["Z", "a.10", "a.2", "b"])
    #expect(file.metadata == ["z": "1", "format": "pt", "a": "é"])
  }

  @Test func noTensorsMakeAnEmptyFile() throws {
    let scratch = try Scratch()
    try SafetensorsWriter.write([], to: scratch.path + "/m")
    #expect(try SafetensorsFile(path: scratch.path + "/m").names == [])
  }

  @Test(arguments: ["a", "__metadata__"]) func aNameOccursOnce(_ name: String) throws {
    let scratch = try Scratch()
    let tensor = SafetensorsTensor(name: name, shape: [1], [0])
    expectError("m: two tensors are named \"\(name)\"", dropping: scratch.path, status: .internalError) {
      try SafetensorsWriter.write([tensor, tensor], to: scratch.path + "/m")
    }
    #expect(try scratch.names == [])
  }

  @Test func adapterBytesAreTheNumbersAndTheHeader() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/m"
    try SafetensorsWriter.write(
      [SafetensorsTensor(name: "a", shape: [8, 384], [Float](repeating: 0, count: 3072))], to: path)
    let header = #"{"a":{"dtype":"F32","shape":[8,384],"data_offsets":[0,12288]}}"#.utf8.count
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count == 8 + (header + 7) / 8 * 8 + 12_288)
  }
}
