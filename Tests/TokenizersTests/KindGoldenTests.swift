import Foundation
import Testing

@testable import Tokenizers

/// Ids and texts from `tokenizers` for a tokenizer.json of every kind; scripts/golden/tokenizer_kinds.py writes them.
@Suite struct KindGoldenTests {
  static let names = [
    "albert", "byte-normalizer", "camembert", "deberta-v3", "deepseek-coder", "deepseek-v3", "gemma", "letters",
    "llama3",
    "mistral", "modernbert", "o200k", "phi3", "qwen2", "split-contiguous", "split-contiguous-inverted",
    "split-mergedwithnext", "split-mergedwithnext-inverted", "split-mergedwithprevious",
    "split-mergedwithprevious-inverted", "split-removed", "split-removed-inverted", "t5", "tekken", "unigram-bytes",
    "words", "xlm-roberta",
  ]

  @Test(arguments: names)
  func encodesAsTheLibrary(name: String) throws {
    let tokenizer = try Tokenizer(modelDirectory: "\(golden)/kinds/\(name)")
    var count = 0
    for fields in try lines("texts.jsonl") {
      let text = try #require(fields[0] as? String)
      guard let expected = try #require(fields[1] as? [String: [Int]])[name] else { continue }
      #expect(tokenizer.encode(text).ids.map { Int($0) } == expected, "\(text.debugDescription)")
      count += 1
    }
    #expect(count > 30)
  }

  @Test(arguments: names)
  func decodesAsTheLibrary(name: String) throws {
    let tokenizer = try Tokenizer(modelDirectory: "\(golden)/kinds/\(name)")
    var count = 0
    for fields in try lines("decoded.jsonl") where fields[0] as? String == name {
      let ids = try #require(fields[1] as? [Int]).map { Int32($0) }
      let found = [tokenizer.decode(ids), tokenizer.decode(ids, skipsSpecialTokens: false)]
      let expected = [try #require(fields[2] as? String), try #require(fields[3] as? String)]
      #expect(found.map { Array($0.unicodeScalars) } == expected.map { Array($0.unicodeScalars) }, "\(ids)")
      count += 1
    }
    #expect(count == 16)
  }

  private func lines(_ name: String) throws -> [[Any]] {
    let data = try Data(contentsOf: URL(fileURLWithPath: "\(golden)/kinds/\(name)"))
    return try data.split(separator: 0x0A).map { try #require(try JSONSerialization.jsonObject(with: $0) as? [Any]) }
  }
}
