import Foundation
import Testing

@testable import Checkpoints

@Suite struct GGUFTextsTests {
  private func texts(_ bytes: [UInt8]) throws -> GGUFTexts {
    try bytes.withUnsafeBytes { try GGUFTexts(bytes: $0, path: "m.gguf") }
  }

  private func number(_ value: UInt64, _ size: Int) -> [UInt8] {
    (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
  }

  private func text(_ text: String) -> [UInt8] { number(UInt64(text.utf8.count), 8) + text.utf8 }

  /// A file with two texts, a number of every size, and lists of numbers and texts between them.
  private var file: [UInt8] {
    var bytes = Array("GGUF".utf8) + number(3, 4) + number(0, 8) + number(16, 8)
    bytes += text("general.name") + number(8, 4) + text("m")
    for (type, size) in [(0, 1), (1, 1), (2, 2), (3, 2), (4, 4), (5, 4), (6, 4), (7, 1), (10, 8), (11, 8), (12, 8)] {
      bytes += text("n\(type)") + number(UInt64(type), 4) + [UInt8](repeating: 0xFF, count: size)
    }
    bytes += text("floats") + number(9, 4) + number(6, 4) + number(3, 8) + [UInt8](repeating: 1, count: 12)
    bytes += text("tokens") + number(9, 4) + number(8, 4) + number(2, 8) + text("a") + text("")
    bytes += text("empty") + number(9, 4) + number(8, 4) + number(0, 8)
    return bytes + text("tokenizer.chat_template") + number(8, 4) + text("{{ messages }}")
  }

  @Test func textsAreFound() throws {
    let texts = try texts(file)
    #expect(texts["tokenizer.chat_template"] == "{{ messages }}" && texts["general.name"] == "m")
    #expect(texts.members.count == 2 && texts["n4"] == nil)
  }

  @Test func whatIsWrittenIsRead() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).gguf").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try GGUFWriter.write(
      metadata: [("a", .uint32(7)), ("b", .string("text")), ("c", .float(1))],
      tensors: [GGUFWriter.Tensor(name: "t", shape: [2], [1, 2])], to: path)
    #expect(try GGUFTexts(path: path).members.map(\.key) == ["b"])
  }

  /// A file that is cut anywhere in its metadata is refused, not read beyond its end.
  @Test func everyCutIsRefused() {
    for count in 0..<file.count { #expect(throws: GGUFError.self) { try texts(Array(file.prefix(count))) } }
  }

  @Test(arguments: [
    ("JSON", "is no GGUF file"), ("GGUF1", "has version 1 of GGUF, not 2 or 3"),
    ("type", "the metadata has a value of the unknown type 13"),
    ("list", "a list in the metadata has elements of the unknown type 9"), ("length", "the metadata is cut off"),
    ("count", "a length of the metadata is too large"), ("UTF-8", "a text of the metadata is not UTF-8"),
  ])
  func wrongFiles(what: String, problem: String) {
    let start = Array("GGUF".utf8) + number(3, 4) + number(0, 8), one = start + number(1, 8)
    let bytes: [UInt8] =
      switch what {
      case "JSON": Array("{\"a\": 1, \"b\": 2, \"c\": 3}".utf8)
      case "GGUF1": Array("GGUF".utf8) + number(1, 4) + number(0, 8)
      case "type": one + text("a") + number(13, 4)
      case "list": one + text("a") + number(9, 4) + number(9, 4) + number(1, 8)
      case "length": one + text("a") + number(9, 4) + number(10, 4) + number(1 << 62, 8)
      case "count": start + number(.max, 8)
      default: one + text("a") + number(8, 4) + number(1, 8) + [0xFF]
      }
    #expect { try texts(bytes) } throws: { "\($0)" == "m.gguf: \(problem)" }
  }
}
