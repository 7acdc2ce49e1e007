import Diagnostics
import Foundation
import StrictJSON
import Testing
import Tokenizers

/// Tokenizers that would take more time or memory than there is. What is read is used, since that is where it shows.
@Suite(.noHang)
struct HostileTokenizerTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func tokenizer(_ parts: [String: JSONValue], vocabulary: [String] = ["a", "b", "▁"]) throws -> Tokenizer {
    var root: [String: JSONValue] = [
      "model": [
        "type": "BPE", "merges": [],
        "vocab": .members(vocabulary.enumerated().map { ($1, .integer($0)) }),
      ]
    ]
    root.merge(parts) { $1 }
    let text = JSONWriter.text(.members(root.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }), pretty: false)
    try Data(text.utf8).write(to: URL(fileURLWithPath: scratch.path + "/tokenizer.json"))
    return try Tokenizer(modelDirectory: scratch.path)
  }

  private func sequence(_ member: String, _ steps: [JSONValue]) -> JSONValue {
    ["type": "Sequence", member: .list(steps)]
  }

  private func replace(_ old: String, _ new: String) -> JSONValue {
    ["type": "Replace", "pattern": ["String": .string(old)], "content": .string(new)]
  }

  /// The error, which must say `problem`.
  private func expectRefusal(_ problem: String, _ body: () throws -> Void) {
    let error = #expect(throws: (any Error).self, performing: body) as? any UserFacingError
    #expect(error?.description.contains(problem) == true, "\(String(describing: error))")
    #expect(error?.exitStatus == .badInput)
  }

  @Test func normalizersCannotMakeATextGrowWithoutEnd() throws {
    let doubling = replace("a", "aa"), prepend: JSONValue = ["type": "Prepend", "prepend": "aaaa"]
    let compatible: JSONValue = ["type": "NFKC"]
    for steps in [
      Array(repeating: doubling, count: 40), Array(repeating: [prepend, doubling], count: 20).flatMap { $0 },
      Array(repeating: [replace("b", "\u{FDFA}"), compatible, replace(" ", "b")], count: 10).flatMap { $0 },
      [replace("a", String(repeating: "b", count: 300))],
      [["type": "Prepend", "prepend": .string(String(repeating: "a", count: 5000))]],
    ] {
      expectRefusal("normalizer: could make texts too long") {
        _ = try tokenizer(["normalizer": sequence("normalizers", steps)])
      }
    }
  }

  @Test func normalizersThatPeopleUseAreRead() throws {
    let types: [JSONValue] = ["NFKC", "NFD", "NFKD", "Lowercase", "StripAccents", "NFC", "NFKC"].map { ["type": $0] }
    let normalizer = sequence(
      "normalizers", [replace("``", "\""), ["type": "Prepend", "prepend": "▁"], replace(" ", "▁")] + types)
    let tokenizer = try tokenizer(["normalizer": normalizer])
    #expect(tokenizer.ids(of: "B \u{FDFA}") == [2, 1, 2])
  }

  @Test func decodersCannotMakeATextGrowWithoutEnd() throws {
    let steps = Array(repeating: replace("a", "aa"), count: 40)
    expectRefusal("decoder: could make texts too long") {
      _ = try tokenizer(["decoder": sequence("decoders", steps)])
    }
    expectRefusal("decoder: could make texts too long") {
      _ = try tokenizer(["decoder": sequence("decoders", [sequence("decoders", steps), replace("b", "c")])])
    }
  }

  @Test func strippingTakesNoLongerThanTheText() throws {
    let strip: JSONValue = [
      "type": "Strip", "content": "a", "start": .integer(.max), "stop": .integer(.max),
    ]
    #expect(try tokenizer(["decoder": strip]).decode([1, 0, 1, 0]) == "bb")
  }

  @Test func wordsCannotDoubleAgainAndAgain() throws {
    let steps: [JSONValue] = "!#$%&()*+,-./:;<=>?@[]^_{|}~".flatMap { mark -> [JSONValue] in
      [["type": "Metaspace", "replacement": .string(String(mark)), "add_prefix_space": true], ["type": "Punctuation"]]
    }
    expectRefusal("a second Metaspace is not supported") {
      _ = try tokenizer(["pre_tokenizer": sequence("pretokenizers", steps)])
    }
  }

  /// Every field below would hold the whole path, the name in it.
  @Test func aLongNameIsNotRepeatedInEveryPath() throws {
    let name = String(repeating: "x", count: 1_000_000), count = 50_000
    let special: JSONValue = [
      name: [
        "id": "s", "ids": .list((0..<count).map { _ in 0 }), "tokens": .strings(repeatElement("a", count: count)),
      ]
    ]
    let part: JSONValue = ["Sequence": ["id": "A", "type_id": 0]]
    let other: JSONValue = ["Sequence": ["id": "B", "type_id": 0]]
    _ = try tokenizer([
      "post_processor": [
        "type": "TemplateProcessing", "single": [part], "pair": [part, other], "special_tokens": special,
      ]
    ])
  }

  private static func added(_ content: String, _ id: Int) -> JSONValue {
    [
      "id": .integer(id), "content": .string(content), "single_word": false, "lstrip": false, "rstrip": false,
      "normalized": false, "special": true,
    ]
  }

  @Test func manyAddedTokensAreFoundInNoTime() throws {
    let count = 50_000
    let tokenizer = try tokenizer(["added_tokens": .list((0..<count).map { Self.added("<\($0)", 3 + $0) })])
    let text = String(repeating: "<12a<", count: 20_000)
    #expect(tokenizer.ids(of: text).prefix(3) == [15, 0, 15])
    #expect(tokenizer.ids(of: "<123456<1234567") == [3 + 12345, 3 + 12345])
  }

  @Test func affixesAndTokensAreShort() throws {
    let long = String(repeating: "a", count: 2000)
    expectRefusal("cannot be longer than 64") {
      _ = try tokenizer([
        "model": ["type": "BPE", "vocab": ["a": 0], "merges": [], "end_of_word_suffix": .string(long)]
      ])
    }
    expectRefusal("an added token cannot be longer than") {
      _ = try tokenizer(["added_tokens": [Self.added(long, 3)]])
    }
  }

  /// All beginnings of a long word are looked up at once.
  @Test func longWordsTakeNoCubicTime() throws {
    let long = String(repeating: "a", count: 9_000)
    func model(longest: Int) -> [String: JSONValue] {
      [
        "model": [
          "type": "WordPiece", "unk_token": "u", "continuing_subword_prefix": "#",
          "max_input_chars_per_word": .integer(longest), "vocab": ["u": 0, "a": 1, "#a": 2, long: 3],
        ]
      ]
    }
    #expect(try tokenizer(model(longest: 10_000)).ids(of: long + "a") == [3, 2])
    #expect(try tokenizer(model(longest: 10_000)).ids(of: "b" + long) == [0])
    expectRefusal("must be from 0 to 10000") { _ = try tokenizer(model(longest: .max)) }
  }

  /// Marks that have to be put in order, all of one letter.
  @Test(arguments: ["NFC", "NFD", "NFKC", "NFKD"])
  func manyMarksTakeNoQuadraticTime(form: String) throws {
    let tokenizer = try tokenizer(["normalizer": ["type": .string(form)]])
    #expect(tokenizer.ids(of: "a" + String(repeating: "\u{301}\u{316}", count: 100_000) + "b").last == 1)
  }

  // MARK: - SentencePiece

  private static func varint(_ value: Int) -> [UInt8] {
    value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7F) | 0x80] + varint(value >> 7)
  }

  private static func message(_ number: Int, _ bytes: [UInt8]) -> [UInt8] {
    varint(number << 3 | 2) + varint(bytes.count) + bytes
  }

  private static func piece(_ text: String, score: Float = 0, kind: UInt8 = 1) -> [UInt8] {
    let number = withUnsafeBytes(of: score.bitPattern.littleEndian, Array.init)
    return message(1, message(1, Array(text.utf8)) + [0x15] + number + [0x18, kind])
  }

  private func sentencePiece(_ pieces: [[UInt8]], _ rest: [UInt8] = []) throws -> Tokenizer {
    let bytes = Self.piece("<unk>", kind: 2) + pieces.joined() + rest
    try Data(bytes).write(to: URL(fileURLWithPath: scratch.path + "/tokenizer.model"))
    return try Tokenizer(modelDirectory: scratch.path)
  }

  private static let bytePairs = message(2, [0x18, 2])

  @Test func manySymbolsOfOneLetterAreFoundInNoTime() throws {
    let pieces = (0..<50_000).map { Self.piece("a\($0)", kind: 4) } + ["a", "1", "2", "▁"].map { Self.piece($0) }
    for rest in [[], Self.bytePairs] {
      let tokenizer = try sentencePiece(pieces, rest)
      #expect(tokenizer.ids(of: String(repeating: "a12", count: 20_000)).count == 20_000)
    }
  }

  @Test func piecesAreShortAndScoresAreNumbers() throws {
    let long = String(repeating: "a", count: 513)
    for rest in [[], Self.bytePairs] {
      expectRefusal("is longer than 512 characters") { _ = try sentencePiece([Self.piece(long)], rest) }
      for score in [Float.nan, .infinity] {
        expectRefusal("is not a number") { _ = try sentencePiece([Self.piece("a", score: score)], rest) }
      }
    }
    let most = String(repeating: "a", count: 512)
    let tokenizer = try sentencePiece([Self.piece(most, score: -1), Self.piece("a", score: -2)])
    #expect(tokenizer.ids(of: String(repeating: "a", count: 20_000)).count > 39)
  }

  /// A double-array trie whose second node leads back to itself, so that it reads any number of `a`.
  @Test func rulesThatLeadIntoThemselvesEnd() throws {
    func rules(_ text: String) -> [UInt8] {
      let a = UInt32(UInt8(ascii: "a"))
      var units = [UInt32](repeating: 0, count: 128)
      units[0] = 1 << 10
      // From node 1, `a` leads to 1 ^ 0x61; its offset 0x61 leads back to node 1.
      units[Int(1 ^ a)] = a << 10 | a
      let words = [UInt32(units.count * 4)] + units
      return words.flatMap { word in withUnsafeBytes(of: word.littleEndian, Array.init) } + Array(text.utf8) + [0]
    }
    let pieces = [Self.piece("a", score: -1), Self.piece("b", score: -1)]
    let tokenizer = try sentencePiece(pieces, Self.message(3, Self.message(2, rules("b"))))
    #expect(!tokenizer.ids(of: String(repeating: "a", count: 100_000)).isEmpty)
    expectRefusal("writes more than 256 bytes") {
      _ = try sentencePiece(
        pieces, Self.message(3, Self.message(2, rules(String(repeating: "b", count: 257)))))
    }
  }
}
