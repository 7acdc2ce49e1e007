import Foundation
import Kernels
import Testing

@testable import Checkpoints

@Suite struct GGUFFileTests {
  @Test func whatIsWrittenIsRead() throws {
    try GGUFBytes().with { path in
      let block: [UInt8] = [0, 0x3C] + (0..<32).map { UInt8($0) }
      try GGUFWriter.write(
        metadata: [
          ("a", .uint32(7)), ("b", .string("text")), ("c", .float(1)), ("d", .bool(true)), ("e", .strings(["x", ""])),
          ("f", .floats([1, 2])), ("g", .int32s([-1])), ("h", .uint16(3)),
        ],
        tensors: [
          GGUFWriter.Tensor(name: "t", shape: [2, 3], [1, 2, 3, 4, 5, 6]),
          GGUFWriter.Tensor(name: "q", shape: [1, 32], type: .q8_0) { write in try block.withUnsafeBytes(write) },
        ], to: path)
      let file = try GGUFFile(path: path), metadata = file.metadata
      #expect(try metadata.integer("a") == 7 && metadata.text("b") == "text" && metadata.number("c") == 1)
      #expect(try metadata.bool("d") == true && metadata.texts("e") == ["x", ""] && metadata.numbers("f") == [1, 2])
      #expect(try metadata.integers("g") == [-1] && metadata.integer("h") == 3)
      #expect(file.names == ["t", "q"] && file.info("q")?.type == .q8_0 && file.info("q")?.byteCount == 34)
      #expect(file.tensor("t")?.shape == [2, 3] && file.tensor("t")?.floats() == [1, 2, 3, 4, 5, 6])
      #expect(file.tensor("q")?.floats() == (0..<32).map { Float($0) } && file.tensor("none") == nil)
    }
  }

  /// Two tensors, a [2, 32] of Q8_0 (68 bytes) and b [4] of F32.
  private func file(
    _ name: String = "b", type: UInt32 = 8, lengths: [UInt64] = [32, 2], second: UInt64 = 96, alignment: UInt32 = 32,
    data: Int = 112
  ) -> GGUFBytes {
    var file = GGUFBytes(tensors: 2, values: 1)
    file.value("general.alignment", 4, withUnsafeBytes(of: alignment) { Array($0) })
    file.tensor("a", lengths, type: type, offset: 0)
    file.tensor(name, [4], type: 0, offset: second)
    file.align()
    file.bytes += [UInt8](repeating: 0, count: data)
    return file
  }

  @Test func entriesAreFound() throws {
    try file().with { path in
      let file = try GGUFFile(path: path)
      #expect(file.info("a")?.shape == [2, 32] && file.info("b")?.shape == [4])
    }
  }

  @Test func wrongEntriesAreRefused() throws {
    func problem(_ file: GGUFBytes) throws -> String {
      try file.with { path in
        do {
          _ = try GGUFFile(path: path)
          return "none"
        } catch {
          #expect((error as? GGUFError)?.exitStatus == .badInput)
          return "\(error)".replacing(path + ": ", with: "")
        }
      }
    }
    #expect(
      try problem(file(type: 11)).hasPrefix(
        "tensor \"a\": the type Q3_K (11) is not supported; supported: F32, F16, BF16, Q8_0, Q4_0,"))
    #expect(try problem(file(type: 99)).hasPrefix("tensor \"a\": the type 99 is not supported"))
    #expect(
      try problem(file(lengths: [31, 2]))
        == "tensor \"a\": rows of 31 numbers are no multiple of the 32 of a block of Q8_0")
    #expect(
      try problem(file(lengths: [32, 2], second: 97))
        == "tensor \"b\": its offset 97 is no multiple of the alignment 32")
    #expect(try problem(file(second: 64)) == "tensor \"b\": its data overlaps tensor \"a\"")
    #expect(
      try problem(file(second: 128))
        == "tensor \"b\": 16 bytes at the offset 128, but the file has 112 bytes of data")
    #expect(try problem(file(second: .max - 31)).hasPrefix("tensor \"b\": 16 bytes at the offset 18446744073709551584"))
    #expect(try problem(file(data: 111)).hasPrefix("tensor \"b\": 16 bytes at the offset 96, but"))
    #expect(try problem(file("a")) == "two tensors are named \"a\"")
    #expect(try problem(file(alignment: 24)) == "\"general.alignment\": must be a power of two, not 24")
    #expect(try problem(file(lengths: [1, 1, 1, 1, 1])) == "tensor \"a\": 5 dimensions, more than 4")
    #expect(try problem(file(lengths: [1 << 40, 1 << 40])) == "tensor \"a\": its shape overflows 64 bits")
    var cut = file()
    cut.bytes = Array(cut.bytes.prefix(80))
    #expect(try problem(cut) == "the file is cut off in the entry of tensor 0 of 2, at byte 78")
  }

  @Test func partsAreOneModel() throws {
    try GGUFBytes().with(name: "x") { path in
      let folder = String(path.dropLast(2)), first = "\(folder)/m-00001-of-00002.gguf",
        second = "\(folder)/m-00002-of-00002.gguf"
      func write(_ path: String, _ number: UInt16, count: UInt16 = 2, tensors: Int32 = 2) throws {
        try GGUFWriter.write(
          metadata: [
            ("split.no", .uint16(number)), ("split.count", .uint16(count)),
            ("split.tensors.count", .uint32(UInt32(tensors))),
          ], tensors: [GGUFWriter.Tensor(name: "t\(number)", shape: [1], [Float(number)])], to: path)
      }
      try write(first, 0)
      #expect { try GGUFFile(path: first) } throws: {
        "\($0)" == "\(first): is one part of a model, of which \(second) is missing"
          && ($0 as? GGUFError)?.exitStatus == .missingInput
      }
      try write(second, 1)
      let file = try GGUFFile(path: first)
      #expect(file.names == ["t0", "t1"] && file.tensor("t1")?.floats() == [1] && file.path(of: "t1") == second)
      #expect(try GGUFFile.path(of: folder) == first)
      try write(second, 0)
      #expect { try GGUFFile(path: first) } throws: {
        "\($0)" == "\(first): is one part of a model, to which \(second) does not belong"
      }
      try write(second, 1)
      try write(first, 0, tensors: 3)
      #expect { try GGUFFile(path: first) } throws: {
        "\($0)" == "\(first): its parts have 2 tensors together, not the 3 of \"split.tensors.count\""
      }
      try write("\(folder)/m.gguf", 0)
      #expect { try GGUFFile(path: "\(folder)/m.gguf") } throws: {
        "\($0)"
          == "\(folder)/m.gguf: is one of 2 files of a model, whose names must end in -00001-of-00002.gguf and so on"
      }
      #expect { try GGUFFile.path(of: folder) } throws: {
        "\($0)".hasPrefix("\(folder): has 2 GGUF files: m-00001-of-00002.gguf, m.gguf; name one")
      }
      try Data().write(to: URL(fileURLWithPath: "\(folder)/model.safetensors"))
      #expect(try GGUFFile.path(of: folder) == nil && GGUFFile.path(of: "a/b.gguf") == "a/b.gguf")
    }
  }
}
