import Foundation
import Testing

@testable import Tokenizers

/// `char_to_token` of `tokenizers`; scripts/golden/token_places.py writes the values.
@Suite struct TokenPlacesTests {
  @Test func areThoseOfTheLibrary() throws {
    let golden = GoldenTexts(folder: ".")
    var tokenizers: [String: Tokenizer] = [:], told = 0, untold = 0
    for row in try golden.lines("places.jsonl") {
      let name = try #require(row[0] as? String), text = try #require(row[1] as? String)
      let expected = try #require(row[2] as? [Any]).map { $0 as? Int }
      let tokenizer = try tokenizers[name] ?? golden.tokenizer(name)
      tokenizers[name] = tokenizer
      let (ids, tokens) = tokenizer.ids(of: text, places: Array(expected.indices))
      #expect(ids == tokenizer.ids(of: text))
      // The library does not count the white space at a token's ends where a post-processor trims offsets.
      for (place, token) in tokens.enumerated() where expected[place] != nil {
        guard let token else {
          untold += 1
          continue
        }
        told += 1
        #expect(token == expected[place], "\(name): \(place) in \(text.debugDescription)")
      }
    }
    #expect(told > 5000 && untold == 0, "\(told), \(untold)")
  }

  @Test func theEndAndBeyondHaveNone() throws {
    let tokenizer = try GoldenTexts(folder: "language").tokenizer("smollm")
    #expect(tokenizer.ids(of: "ab c", places: [4, 9]).tokens == [nil, nil])
    #expect(tokenizer.ids(of: "", places: [0]).tokens == [nil])
  }

  /// A byte-level vocabulary without some bytes, as SmolLM2's: texts lose them, and places before and behind are told.
  @Test func bytesWithoutATokenAreLost() throws {
    let vocabulary = #"{"a": 0, "b": 1, "<|x|>": 2}"#
    let added =
      #"{"id": 2, "content": "<|x|>", "single_word": false, "lstrip": false, "rstrip": false, "#
      + #""normalized": false, "special": true}"#
    let byteLevel = #"{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}"#
    let text = """
      {"model": {"type": "BPE", "vocab": \(vocabulary), "merges": []}, "added_tokens": [\(added)], \
      "pre_tokenizer": \(byteLevel), "decoder": \(byteLevel)}
      """
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("places-\(UUID())")
    defer { try? FileManager.default.removeItem(at: directory) }
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    try Data(text.utf8).write(to: directory.appendingPathComponent("tokenizer.json"))
    let (ids, tokens) = try Tokenizer(modelDirectory: directory.path).ids(of: "aéb<|x|>", places: [0, 1, 2, 3])
    #expect(ids == [0, 1, 2] && tokens == [0, nil, 1, 2])
  }
}
