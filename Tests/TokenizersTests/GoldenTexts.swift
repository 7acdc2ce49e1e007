import Foundation
import Testing

@testable import Tokenizers

/// Texts with their ids, and ids with their texts, of the tokenizers in a folder below `Golden`.
struct GoldenTexts {
  let folder: String

  func tokenizer(_ name: String) throws -> Tokenizer { try Tokenizer(modelDirectory: "\(golden)/\(folder)/\(name)") }

  /// The texts of texts.jsonl become the ids that stand there for the tokenizer.
  func checkEncoding(_ name: String) throws {
    let tokenizer = try tokenizer(name)
    var count = 0
    for fields in try lines("texts.jsonl") {
      let text = try #require(fields[0] as? String)
      guard let expected = try #require(fields[1] as? [String: [Int]])[name] else { continue }
      #expect(tokenizer.encode(text).ids.map { Int($0) } == expected, "\(text.debugDescription)")
      count += 1
    }
    #expect(count > 30)
  }

  /// The ids of decoded.jsonl become the texts that stand there, without and with special tokens.
  func checkDecoding(_ name: String, count: Int) throws {
    let tokenizer = try tokenizer(name)
    let cases = try lines("decoded.jsonl").filter { $0[0] as? String == name }
    for fields in cases {
      let ids = try #require(fields[1] as? [Int]).map { Int32($0) }
      Self.expect(tokenizer.decode(ids), try #require(fields[2] as? String), ids)
      Self.expect(tokenizer.decode(ids, skipsSpecialTokens: false), try #require(fields[3] as? String), ids)
    }
    #expect(cases.count == count)
  }

  func lines(_ name: String) throws -> [[Any]] {
    let data = try Data(contentsOf: URL(fileURLWithPath: "\(golden)/\(folder)/\(name)"))
    return try data.split(separator: 0x0A).map { try #require(try JSONSerialization.jsonObject(with: $0) as? [Any]) }
  }

  /// Compared by scalars: `==` takes canonically equivalent texts for the same.
  static func expect(_ found: String, _ expected: String, _ ids: [Int32]) {
    #expect(
      found.unicodeScalars.elementsEqual(expected.unicodeScalars),
      "\(ids): \(found.debugDescription), not \(expected.debugDescription)")
  }
}
