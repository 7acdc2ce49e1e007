import Tasks
import Tokenizers

extension FuzzTarget {
  /// tokenizer.json, tokenizer_config.json (if any) and a text.
  static let tokenizerJSON = FuzzTarget(name: "tokenizer-json") { input, directory in
    let parts = parts(input)
    try tokenize(parts, ["tokenizer.json": parts[0]], tokenizerClass: "BertTokenizer", in: directory)
  }

  /// vocab.txt or else vocab.json and merges.txt, tokenizer_config.json (if any) and a text.
  static let tokenizerFiles = FuzzTarget(name: "tokenizer-files") { input, directory in
    let parts = parts(input)
    var files = ["vocab.txt": parts[0]]
    if parts[0].first == UInt8(ascii: "{") { files = ["vocab.json": parts[0], "merges.txt": parts[optional: 3] ?? []] }
    try tokenize(parts, files, tokenizerClass: "RobertaTokenizer", in: directory)
  }

  /// tokenizer.model, tokenizer_config.json (if any) and a text.
  static let tokenizerModel = FuzzTarget(name: "tokenizer-model") { input, directory in
    let parts = parts(input)
    try tokenize(
      parts, ["tokenizer.model": sentencePieceBytes(parts[0])], tokenizerClass: "LlamaTokenizer", in: directory)
  }

  /// - Parameter parts: after the first the configuration and the text.
  private static func tokenize(
    _ parts: [[UInt8]], _ files: [String: [UInt8]], tokenizerClass: String, in directory: FuzzDirectory
  ) throws {
    var files = files
    if let config = parts[optional: 1], !config.isEmpty { files["tokenizer_config.json"] = config }
    try directory.fill(files)
    let tokenizer = try Tokenizer(modelDirectory: directory.path, tokenizerClass: tokenizerClass)
    let bytes = parts[optional: 2] ?? parts[0]
    try encode(bytes, with: tokenizer)
    try decode(bytes, with: tokenizer)
    let places = Array(0..<40)
    let text = String(decoding: bytes.prefix(200), as: UTF8.self)
    let (ids, tokens) = tokenizer.ids(of: text, places: places)
    guard ids == tokenizer.ids(of: text), tokens.allSatisfy({ $0.map(ids.indices.contains) ?? true }) else {
      throw FuzzFinding(problem: "a place at a token that is not there")
    }
    _ = try ChatTemplateFiles(modelDirectory: directory.path)
  }

  private static func encode(_ bytes: [UInt8], with tokenizer: Tokenizer) throws {
    let text = String(decoding: bytes.prefix(400), as: UTF8.self)
    let whole = tokenizer.encode(text, pair: text), cut = tokenizer.encode(text, maxLength: 8)
    guard whole.ids.count == whole.typeIDs.count, cut.ids.count == cut.typeIDs.count,
      (whole.ids + cut.ids).allSatisfy({ $0 >= 0 && $0 < tokenizer.vocabularySize })
    else { throw FuzzFinding(problem: "ids beyond the vocabulary, or lists of different lengths") }
    _ = tokenizer.tokens(of: cut)
  }

  /// The text's own ids, and ids that no text has.
  private static func decode(_ bytes: [UInt8], with tokenizer: Tokenizer) throws {
    let text = String(decoding: bytes.prefix(100), as: UTF8.self)
    let ids = tokenizer.ids(of: text) + bytes.prefix(100).map { Int32($0) } + [-1, .max, .min]
    _ = tokenizer.decode(ids, skipsSpecialTokens: false)
    let whole = tokenizer.decode(ids)
    var stream = TextStream(tokenizer), streamed = ""
    for id in ids { streamed += stream.add(id) }
    streamed += stream.finish()
    if streamed.utf8.count > 1_000_000 || whole.utf8.count > 1_000_000 {
      throw FuzzFinding(problem: "a text of \(whole.utf8.count) bytes for \(ids.count) ids")
    }
  }

  /// A SentencePiece model. Mutation seldom gets the lengths inside of a message right, so text stands for one: lines of
  /// a piece, its score and its kind, or of a field of the trainer (`!3`) or the normaliser (`?3`) and its value. What
  /// does not begin with `#` is taken as it is.
  private static func sentencePieceBytes(_ text: [UInt8]) -> [UInt8] {
    guard text.first == UInt8(ascii: "#") else { return text }
    var trainer: [UInt8] = [], normalizer: [UInt8] = [], model: [UInt8] = []
    for line in text.split(separator: UInt8(ascii: "\n")).dropFirst() {
      let cells = line.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false).map(Array.init)
      let numbers = cells.map { Float(String(decoding: $0, as: UTF8.self)) ?? 0 }
      if cells[0].first == UInt8(ascii: "!") || cells[0].first == UInt8(ascii: "?") {
        let number = UInt64(UInt8(String(decoding: cells[0].dropFirst(), as: UTF8.self)) ?? 3)
        let value = cells[optional: 1] ?? []
        let whole = UInt64(String(decoding: value, as: UTF8.self))
        let field = whole.map { varint(number << 3) + varint($0) } ?? message(number, value)
        if cells[0].first == UInt8(ascii: "!") { trainer += field } else { normalizer += field }
      } else {
        var piece = message(1, cells[0])
        if let score = numbers[optional: 1] {
          piece += varint(2 << 3 | 5) + withUnsafeBytes(of: score.bitPattern.littleEndian, Array.init)
        }
        if let kind = numbers[optional: 2].flatMap({ UInt64(exactly: $0) }) { piece += varint(3 << 3) + varint(kind) }
        model += message(1, piece)
      }
    }
    return model + message(2, trainer) + message(3, normalizer)
  }

  private static func message(_ number: UInt64, _ bytes: [UInt8]) -> [UInt8] {
    varint(number << 3 | 2) + varint(UInt64(bytes.count)) + bytes
  }

  private static func varint(_ value: UInt64) -> [UInt8] {
    var bytes: [UInt8] = [], rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }
}
