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
}
