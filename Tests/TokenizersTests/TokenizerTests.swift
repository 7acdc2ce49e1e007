import Testing

@testable import Tokenizers

@Suite struct TokenizerTests {
  @Test func givesTokensAndIDsBothWays() throws {
    let tokenizer = try Tokenizer(modelDirectory: "\(golden)/wordpiece")
    let encoding = tokenizer.encode("The [MASK]", pair: "")
    #expect(tokenizer.tokens(of: encoding) == ["[CLS]", "the", "[MASK]", "[SEP]", "[SEP]"])
    #expect(encoding.typeIDs == [0, 0, 0, 0, 1])
    #expect(tokenizer.id(of: "[SEP]") == 3)
    #expect(tokenizer.id(of: "no such token") == nil)
    #expect(tokenizer.token(-1) == nil)
    #expect(tokenizer.specialTokenCount(isPair: true) == 3)
  }

  @Test func countsAddedTokens() throws {
    let tokenizer = try Tokenizer(modelDirectory: "\(golden)/byte-bpe")
    #expect(tokenizer.vocabularySize == 901)
    #expect(tokenizer.token(900) == "<mask>")
  }

  @Test func specialTokensStayWhereNothingElseFits() throws {
    let tokenizer = try Tokenizer(modelDirectory: "\(golden)/wordpiece")
    #expect(tokenizer.encode("the old harbour", maxLength: 2).ids == [2, 3])
    #expect(tokenizer.encode("the old harbour", pair: "the", maxLength: 1).ids == [2, 3, 3])
  }

  @Test(arguments: [
    ([0, 0], 7, [0, 0]), ([0, 9], 7, [0, 7]), ([2, 4], 7, [2, 4]), ([2, 9], 7, [2, 5]), ([4, 4], 7, [3, 4]),
    ([9, 2], 7, [5, 2]), ([9, 8], 7, [4, 3]), ([8, 9], 7, [3, 4]), ([3, 9], 6, [3, 3]), ([5, 5], 0, [0, 0]),
    ([4, 8], 7, [3, 4]),
  ])
  func cutsTheLongerFirst(lengths: [Int], room: Int, left: [Int]) {
    let result = truncatedLengths(lengths[0], lengths[1], room: room)
    #expect([result.first, result.second] == left)
  }

  @Test(arguments: [
    ("it's we'll", ["it", "'s", " we", "'ll"]), ("'re're 'x", ["'re", "'re", " '", "x"]), ("a  b", ["a", " ", " b"]),
    ("a \n b ", ["a", " \n", " b", " "]), ("\n\n", ["\n\n"]), ("x\u{A0}y", ["x", "\u{A0}", "y"]),
    ("½x 12,3", ["½", "x", " 12", ",", "3"]), (" !?a", [" !?", "a"]), ("e\u{301}", ["e", "\u{301}"]), ("'", ["'"]),
  ])
  func splitsByThePatternOfGPT2(text: String, words: [String]) {
    let scalars = Array(text.unicodeScalars)[...]
    var found: [String] = []
    var start = 0
    while start < scalars.count {
      let end = WordPattern.gpt2.end(in: scalars, from: start)
      found.append(String(scalars: scalars[start..<end]))
      start = end
    }
    #expect(found.map { Array($0.unicodeScalars) } == words.map { Array($0.unicodeScalars) })
  }

  @Test(arguments: [
    (UnicodeForm.nfc, "\u{1112}\u{1161}\u{11AB}", "\u{D55C}"), (.nfc, "o\u{308}\u{304}", "\u{22B}"),
    (.nfc, "\u{344}", "\u{308}\u{301}"), (.nfc, "q\u{307}\u{323}", "q\u{323}\u{307}"),
    (.nfd, "\u{F73}\u{F75}\u{F81}", "\u{F71}\u{F71}\u{F71}\u{F72}\u{F80}\u{F74}"), (.nfkc, "ﬁ\u{301}", "f\u{ED}"),
    (.nfkd, "㍿", "株式会社"), (.nfd, "\u{11938}", "\u{11938}"),
  ])
  func normalizes(form: UnicodeForm, text: String, expected: String) {
    #expect(form.normalize(Array(text.unicodeScalars)) == Array(expected.unicodeScalars))
  }

  @Test func longWordsAreNoTrouble() throws {
    let tokenizer = try Tokenizer(modelDirectory: "\(golden)/byte-bpe")
    let text = String(repeating: "the", count: 100_000)
    #expect(tokenizer.ids(of: text).count > 1000)
  }
}
