import Foundation
import Testing

@testable import Checkpoints

@Suite struct GGUFMetadataTests {
  /// A value of every type, and lists of them.
  private var file: GGUFBytes {
    var file = GGUFBytes(values: 17)
    file.value("general.name", text: "m")
    for (type, size) in [(0, 1), (1, 1), (2, 2), (3, 2), (4, 4), (5, 4), (10, 8), (11, 8)] {
      file.value("n\(type)", UInt32(type), [7] + [UInt8](repeating: 0, count: size - 1))
    }
    file.value("n6", 6, withUnsafeBytes(of: Float(1.5).bitPattern) { Array($0) })
    file.value("n12", 12, withUnsafeBytes(of: 2.5.bitPattern) { Array($0) })
    file.value("n7", 7, [1])
    file.value("minus", 5, [0xFE, 0xFF, 0xFF, 0xFF])
    file.value("floats", 9, [6, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0])
    file.value("tokens", 9, [8, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0])
    file.text("a")
    file.text("")
    file.value("empty", 9, [8, 0, 0, 0] + [UInt8](repeating: 0, count: 8))
    file.value("large", 10, [UInt8](repeating: 0xFF, count: 8))
    return file
  }

  @Test func valuesAreRead() throws {
    try file.with { path in
      let metadata = try GGUFMetadata(path: path)
      #expect(metadata.keys.count == 17 && metadata.keys.first == "general.name" && metadata.contains("empty"))
      #expect(try metadata.text("general.name") == "m")
      for type in [0, 1, 2, 3, 4, 5, 10, 11] {
        #expect(try metadata.integer("n\(type)") == 7 && metadata.number("n\(type)") == 7)
      }
      #expect(try metadata.number("n6") == 1.5 && metadata.number("n12") == 2.5 && metadata.bool("n7") == true)
      #expect(try metadata.integer("minus") == -2)
      #expect(try metadata.numbers("floats") == [1, -2] && metadata.texts("tokens") == ["a", ""])
      #expect(try metadata.texts("empty") == [] && metadata.integers("empty") == [])
      #expect(try metadata.text("none") == nil && metadata.integers("none") == nil && metadata.bool("none") == nil)
    }
  }

  @Test func valuesOfAnotherTypeAreRefused() throws {
    try file.with { path in
      let metadata = try GGUFMetadata(path: path)
      func problem(_ read: () throws -> Void) -> String {
        do {
          try read()
          return ""
        } catch {
          return "\(error)".replacing(path + ": ", with: "")
        }
      }
      #expect(problem { _ = try metadata.text("n4") } == "\"n4\": must be a text, not a whole number")
      #expect(problem { _ = try metadata.integer("n6") } == "\"n6\": must be a whole number, not a number")
      #expect(problem { _ = try metadata.integer("tokens") } == "\"tokens\": must be a whole number, not a list")
      #expect(problem { _ = try metadata.number("n7") } == "\"n7\": must be a number, not true or false")
      #expect(problem { _ = try metadata.bool("n0") } == "\"n0\": must be true or false, not a whole number")
      #expect(
        problem { _ = try metadata.texts("general.name") } == "\"general.name\": must be a list of texts, not a text")
      #expect(
        problem { _ = try metadata.integers("tokens") }
          == "\"tokens\": must be a list of whole numbers, not a list of values that are each a text")
      #expect(problem { _ = try metadata.integer("large") } == "\"large\": must be a whole number below 2⁶³, not more")
    }
  }

  /// A file that is cut anywhere in its metadata is refused, not read beyond its end.
  @Test func everyCutIsRefused() throws {
    var cut = file
    let count = cut.bytes.count
    for length in 0..<count {
      cut.bytes = Array(file.bytes.prefix(length))
      try cut.with { path in #expect(throws: GGUFError.self) { try GGUFMetadata(path: path) } }
    }
  }

  @Test(arguments: [
    ("JSON", "is no GGUF file"), ("GGUF1", "has version 1 of GGUF, not 2 or 3"),
    ("swapped", "is a GGUF file in big-endian byte order, which is not supported; convert it (gguf-convert-endian)"),
    ("LFS", "a Git LFS pointer instead of the model; run `git lfs pull` in its repository"),
    ("type", "\"a\": a value of the unknown type 13"), ("element", "\"a\": a value of the unknown type 255"),
    ("list", "\"a\": a list of lists, which is not supported"),
    ("length", "the file is cut off in the value of \"a\", at byte 49"),
    ("texts", "the file is cut off in the value of \"a\", at byte 57"),
    ("count", "the file is cut off in key 0 of 18446744073709551615, at byte 24"),
    ("key", "the file is cut off in key 0 of 1, at byte 32"), ("twice", "the key \"a\" occurs twice"),
    ("UTF-8", "key 0 of 1, at byte 32, is not UTF-8"),
  ])
  func wrongFiles(what: String, problem: String) throws {
    var file = GGUFBytes(version: what == "GGUF1" ? 1 : what == "swapped" ? 3 << 24 : 3, values: 1)
    switch what {
    case "JSON": file.bytes = Array("{\"a\": 1, \"b\": 2, \"c\": 3}".utf8)
    case "LFS": file.bytes = Array("version https://git-lfs.github.com/spec/v1\n".utf8)
    case "type": file.value("a", 13, [])
    case "element": file.value("a", 9, [255, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1])
    case "list": file.value("a", 9, [9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    case "length": file.value("a", 9, [10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40])
    case "texts":
      file.value("a", 9, [8, 0, 0, 0] + [UInt8](repeating: 0xFF, count: 8) + [UInt8](repeating: 0, count: 8) + [1])
    case "count": file = GGUFBytes(values: .max)
    case "key": file.number(UInt64.max)
    case "twice":
      file = GGUFBytes(values: 2)
      file.value("a", 0, [1])
      file.value("a", 0, [1])
    case "UTF-8":
      file.number(UInt64(1))
      file.bytes.append(0xFF)
    default: break
    }
    try file.with { path in
      #expect { try GGUFMetadata(path: path) } throws: { "\($0)" == "\(path): \(problem)" }
    }
  }
}
