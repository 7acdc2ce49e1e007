import Testing

@testable import Tokenizers

@Suite struct TokenTextsTests {
  private func tokenizer(_ name: String) throws -> Tokenizer {
    try Tokenizer(modelDirectory: "\(golden)/language/\(name)")
  }

  @Test(arguments: ["sp-bpe", "smollm", "llama-bpe"])
  func aCharacterStandsWithItsLastToken(name: String) throws {
    let tokenizer = try tokenizer(name), ids = tokenizer.ids(of: "a 🫠b\n")
    let texts = tokenizer.texts(of: ids)
    #expect(texts.count == ids.count)
    #expect(texts.joined().hasSuffix("a 🫠b\n"), "\(texts)")
    let place = try #require(texts.firstIndex { $0.hasSuffix("🫠") })
    #expect(place > 0 && texts[place - 1].isEmpty, "\(texts)")
  }

  @Test(arguments: ["sp-bpe", "smollm", "llama-bpe"])
  func whatIsNoCharacterIsWrittenAsBytes(name: String) throws {
    let tokenizer = try tokenizer(name), ids = tokenizer.ids(of: "x🫠y")
    let place = try #require(tokenizer.texts(of: ids).firstIndex { $0.hasSuffix("🫠") })
    let cut = tokenizer.texts(of: Array(ids[..<place])).joined()
    #expect(cut.hasPrefix("x<0xF0>") || cut.hasPrefix(" x<0xF0>"), "\(cut)")
    // The rest of the character, in front of a whole one.
    let rest = tokenizer.texts(of: Array(ids[place...]))
    #expect(rest.first?.hasPrefix("<0x") == true && rest.joined().hasSuffix(">y"), "\(rest)")
    // A letter in the place of the rest.
    let broken = tokenizer.texts(of: Array(ids[..<place]) + tokenizer.ids(of: "y").suffix(1)).joined()
    #expect(broken.contains("<0xF0>") && broken.hasSuffix("y") && !broken.contains("\u{FFFD}"), "\(broken)")
  }

  @Test func specialTokensStandAsTheyAreSpelled() throws {
    let tokenizer = try tokenizer("smollm")
    let ids = tokenizer.ids(of: "<|im_start|>u\nHi")
    #expect(tokenizer.texts(of: ids).prefix(3) == ["<|im_start|>", "u", "\n"])
    #expect(tokenizer.texts(of: [ids[0], 9_999_999]) == ["<|im_start|>", ""])
    #expect(tokenizer.isSpecial(ids[0]) && !tokenizer.isSpecial(ids[1]))
  }
}
