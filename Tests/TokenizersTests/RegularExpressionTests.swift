import Diagnostics
import Testing

@testable import Tokenizers

@Suite struct RegularExpressionTests {
  private let place = FilePlace(file: "tokenizer.json", line: 1)

  private func matches(_ source: String, _ text: String) throws -> [String] {
    let expression = try RegularExpression(source, place: place), scalars = Array(text.unicodeScalars)
    var found: [String] = []
    expression.findMatches(in: scalars, words: [scalars.indices]) { _, matches in
      found = matches.map { String(scalars: scalars[$0]) }
    }
    return found
  }

  @Test func rangesAreThoseOfScalars() throws {
    #expect(try matches(#"\w+"#, "añb 我们 😀 x") == ["añb", "我们", "x"])
    #expect(try matches(#"(?<=😀)."#, "我😀é😀x") == ["é", "x"])
  }

  /// As in `tokenizers`: the first empty match after a match that is not empty is left out.
  @Test func emptyMatches() throws {
    #expect(try matches("x*", "axxbx") == ["", "xx", "x"])
    #expect(try matches("", "ab") == ["", "", ""])
  }

  /// Scalars that came with Unicode 15 and 16 have their categories, whatever version of Oniguruma is installed.
  @Test func recentScalars() throws {
    #expect(try matches(#"\p{L}+"#, "a\u{31350}\u{1C89}\u{10D50}b") == ["a\u{31350}\u{1C89}\u{10D50}b"])
    #expect(try matches(#"\p{N}"#, "1\u{1E4F1}\u{10D40}") == ["1", "\u{1E4F1}", "\u{10D40}"])
  }

  /// As `tokenizers` 0.23.3 decodes with this expression.
  @Test(arguments: [("▁about", " a bout"), ("▁be", " be"), ("▁xbb", " x b b"), ("ab", "a b"), ("▁▁ab", " a b")])
  func emptyMatchesBehindAnotherAreLeftOut(token: String, decoded: String) throws {
    let expression = try RegularExpression("▁+|(?=b)", place: place)
    #expect(String(scalars: expression.replaceMatches(in: Array(token.unicodeScalars), by: [" "])) == decoded)
  }

  @Test func givesUpInsteadOfHanging() throws {
    let expression = try RegularExpression("(a|a|aa)+$", place: place)
    let text = Array(String(repeating: "a", count: 60).unicodeScalars) + ["b"]
    #expect(!expression.hasGivenUp)
    #expect(expression.replaceMatches(in: text, by: []) == text)
    #expect(expression.hasGivenUp)
  }

  /// Otherwise a text of many such words would take hours.
  @Test func givesUpOnceForAllWords() throws {
    let expression = try RegularExpression("(a|a|aa)+$", place: place), count = 2_000
    let words = (0..<count).map { $0 * 61..<($0 + 1) * 61 }
    let text = Array(String(repeating: String(repeating: "a", count: 60) + "b", count: count).unicodeScalars)
    var found = 0
    expression.findMatches(
      in: text + ["a"], words: [text.count..<text.count + 1] + words + [text.count..<text.count + 1]
    ) {
      found += $1.count
    }
    #expect(found == 1)
    #expect(expression.hasGivenUp)
  }

  /// Oniguruma compiles by recursion, and a thread's stack may be small.
  @Test(arguments: [("(", ")"), ("(?=", ")"), ("(a|", ")*"), ("(?<!", ")"), ("[a[", "]]"), ("(?~", ")")])
  func deepGroupsAreRefused(opening: String, closing: String) throws {
    for (depth, isRefused) in [(40, false), (100_000, true)] {
      let source = String(repeating: opening, count: depth) + "a" + String(repeating: closing, count: depth)
      if isRefused {
        let error = #expect(throws: TokenizerError.self) { try RegularExpression(source, place: place) }
        #expect(error?.exitStatus == .badInput)
      } else {
        #expect(try matches(source, "a").count <= 2)
      }
    }
  }

  @Test func aTokenizerTellsWhatItGaveUp() throws {
    let tokenizer = try Tokenizer(modelDirectory: "\(golden)/kinds/hostile")
    #expect(tokenizer.textNotes == [])
    _ = tokenizer.ids(of: String(repeating: "a", count: 60) + "b")
    #expect(tokenizer.textNotes.count == 1 && tokenizer.textNotes[0].contains("(a|a|aa)+$"))
  }

  @Test func theScannersMatchWhatTheirExpressionsMatch() throws {
    let texts = [
      "I'll we'VE it'ſ 'S 's 'llama", "a  b\t c\n\n d \r\n e ", "1234567 ١٢٣٤ ½²Ⅳ", "x\u{301}\u{302} e\u{200D}f \u{AD}",
      "!!! …\r\n\n??\n", "\u{A0}\u{A0}x\u{3000}y\u{2028}z", "😀😃 ก็ 我们\u{31350}", " \n \n", "''", "don't\u{85}'d",
    ]
    for source in WordPattern.expressions {
      let scanner = try #require(WordPattern(source))
      for text in texts.flatMap({ [$0, $0 + $0, String($0.reversed())] }) {
        let scalars = Array(text.unicodeScalars)
        var words = Words(scalars)
        words.cut { scanner.end(in: $0, from: $1) }
        #expect(
          words.ranges.map { String(scalars: scalars[$0]) } == (try matches(source, text)), "\(text.debugDescription)")
      }
    }
  }
}
