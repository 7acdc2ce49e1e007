import Algorithms
import StrictJSON

/// Turns tokens back into text like the decoders of `tokenizers` and SentencePiece.
enum TokenDecoder: Sendable {
  /// A token to decode.
  struct Piece: Sendable {
    var id: Int32
    var text: String
    /// Whether the text leaves it out.
    var isSkipped = false
  }

  /// Joins tokens with spaces, as `tokenizers` does without a decoder.
  case spaced
  case byteLevel
  case wordPiece(prefix: String, cleansUp: Bool)
  case bytePairs(suffix: String)
  case metaspace(Metaspace)
  case replace(String, with: String)
  case replaceMatches(RegularExpression, with: String)
  /// Of models that name each sound of a recording: drops repeated tokens and padding.
  case repeats(padding: String, wordEnd: String, cleansUp: Bool)
  case byteFallback
  case fuse
  case strip(Unicode.Scalar, left: Int, right: Int)
  case sequence([TokenDecoder])

  func text(of pieces: [Piece]) -> String {
    let tokens = pieces.filter { !$0.isSkipped }.map(\.text)
    return switch self {
    case .spaced: tokens.joined(separator: " ")
    default: texts(tokens).joined()
    }
  }

  /// The texts of `tokens`; there may be more or fewer.
  private func texts(_ tokens: [String]) -> [String] {
    switch self {
    case .spaced: tokens
    case .byteLevel: [String(decoding: byteLevelBytes(tokens), as: UTF8.self)]
    case .wordPiece(let prefix, let cleansUp):
      tokens.enumerated().map { index, token in
        let text = index == 0 ? token : token.hasScalarPrefix(prefix) ? token.droppingPrefix(prefix) : " " + token
        return cleansUp ? cleanedUp(text) : text
      }
    case .bytePairs(let suffix):
      tokens.enumerated().map { index, token in
        token.replacingScalars(suffix, by: index == tokens.count - 1 ? "" : " ")
      }
    case .metaspace(let metaspace):
      tokens.enumerated().map { index, token in
        let replacement = index == 0 && metaspace.prefix != .never ? "" : " "
        return token.replacingScalars(String(metaspace.replacement), by: replacement)
      }
    case .replace(let pattern, let text): tokens.map { $0.replacingScalars(pattern, by: text) }
    case .replaceMatches(let expression, let text):
      tokens.map { token in
        String(
          scalars: expression.replaceMatches(in: Array(token.unicodeScalars), by: Array(text.unicodeScalars)))
      }
    case .repeats(let padding, let wordEnd, let cleansUp):
      tokens.chunked { $0.isSame(as: $1) }.compactMap { run in
        let text = (run.first ?? "").replacingScalars(padding, by: "")
        let cleaned = cleansUp ? cleanedUp(text).replacingScalars(wordEnd, by: " ") : text
        return cleaned.isEmpty ? nil : cleaned
      }
    case .byteFallback: Self.fallenBack(tokens)
    case .fuse: [tokens.joined()]
    case .strip(let scalar, let left, let right):
      tokens.map { token in
        var rest = Array(token.unicodeScalars)[...]
        rest = rest.dropFirst(rest.prefix(left).prefix { $0 == scalar }.count)
        rest = rest.dropLast(rest.suffix(right).reversed().prefix { $0 == scalar }.count)
        return String(scalars: rest)
      }
    case .sequence(let steps): steps.reduce(tokens) { $1.texts($0) }
    }
  }

  /// Whether the tokens end in the middle of a character.
  func endsWithinCharacter(_ pieces: [Piece]) -> Bool {
    switch self {
    case .byteLevel: endsWithinScalar(byteLevelBytes(pieces.filter { !$0.isSkipped }.suffix(4).map(\.text)))
    case .byteFallback: endsWithinScalar(Self.trailingBytes(pieces.filter { !$0.isSkipped }.map(\.text)))
    case .sequence(let steps): steps.contains { $0.endsWithinCharacter(pieces) }
    default: false
    }
  }

  /// The bytes of one token where tokens are bytes, or names of bytes; nil where it has a text.
  func bytes(ofToken token: String) -> [UInt8]? {
    switch self {
    case .byteLevel: byteLevelBytes([token])
    case .byteFallback: byteValue(ofToken: token).map { [$0] }
    case .sequence(let steps): steps.lazy.compactMap { $0.bytes(ofToken: token) }.first
    default: nil
    }
  }

  /// The bytes of the byte tokens at the end.
  private static func trailingBytes(_ tokens: [String]) -> [UInt8] {
    tokens.reversed().lazy.map(byteValue).prefix { $0 != nil }.compactMap { $0 }.reversed()
  }

  /// Replaces runs of byte tokens by their text; each byte of a run that is not UTF-8 becomes U+FFFD.
  private static func fallenBack(_ tokens: [String]) -> [String] {
    let tokens = tokens.map { (text: $0, byte: byteValue(ofToken: $0)) }
    return tokens.chunked { ($0.byte == nil) == ($1.byte == nil) }.flatMap { run in
      let bytes = run.compactMap(\.byte)
      if bytes.isEmpty { return run.map(\.text) }
      if let text = String(validating: bytes, as: UTF8.self) { return [text] }
      return Array(repeating: "\u{FFFD}", count: bytes.count)
    }
  }
}

extension TokenDecoder {
  var expressions: [RegularExpression] {
    switch self {
    case .replaceMatches(let expression, _): [expression]
    case .sequence(let steps): steps.flatMap(\.expressions)
    default: []
    }
  }

  private static let types: KeyValuePairs = [
    "ByteLevel": ["add_prefix_space", "trim_offsets", "use_regex"], "WordPiece": ["prefix", "cleanup"],
    "Metaspace": Metaspace.members, "BPEDecoder": ["suffix"], "Sequence": ["decoders"],
    "Replace": ["pattern", "content"], "ByteFallback": [], "Fuse": [],
    "CTC": ["pad_token", "word_delimiter_token", "cleanup"], "Strip": ["content", "start", "stop"],
  ]

  /// Reads `decoder` of tokenizer.json.
  init(_ field: JSONField) throws {
    switch try field.type(among: Self.types) {
    case "ByteLevel": self = .byteLevel
    case "WordPiece":
      self = .wordPiece(prefix: try field.member("prefix").string(), cleansUp: try field.member("cleanup").bool())
    case "Metaspace": self = .metaspace(try Metaspace(field))
    case "BPEDecoder": self = .bytePairs(suffix: try field.member("suffix").string())
    case "Replace":
      let content = try field.member("content").string()
      self =
        switch try ReplacedPattern(field.member("pattern")) {
        case .text(let text): .replace(String(scalars: text), with: content)
        case .expression(let expression): .replaceMatches(expression, with: content)
        }
    case "CTC":
      let wordEnd = try field.member("word_delimiter_token")
      if try wordEnd.string().isEmpty { throw wordEnd.error("cannot be empty") }
      self = .repeats(
        padding: try field.member("pad_token").string(), wordEnd: try wordEnd.string(),
        cleansUp: try field.member("cleanup").bool())
    case "ByteFallback": self = .byteFallback
    case "Fuse": self = .fuse
    case "Strip":
      self = .strip(
        try field.member("content").scalar(), left: try field.member("start").integer(atLeast: 0),
        right: try field.member("stop").integer(atLeast: 0))
    default: self = .sequence(try field.member("decoders").elements().map { try TokenDecoder($0) })
    }
  }
}

/// The bytes of byte-level tokens; a token with other scalars gives its own UTF-8.
func byteLevelBytes(_ tokens: [String]) -> [UInt8] {
  var bytes: [UInt8] = []
  for token in tokens {
    let start = bytes.count
    for scalar in token.unicodeScalars {
      guard let byte = ByteLevel.byte(of: scalar) else {
        bytes.removeSubrange(start...)
        bytes += token.utf8
        break
      }
      bytes.append(byte)
    }
  }
  return bytes
}

/// Whether `bytes` end in the middle of a scalar's UTF-8.
private func endsWithinScalar(_ bytes: [UInt8]) -> Bool { lengthOfUnfinishedScalar(bytes) > 0 }

/// The bytes at the end that begin a scalar's UTF-8 without ending it.
func lengthOfUnfinishedScalar(_ bytes: [UInt8]) -> Int {
  var position = bytes.count
  while position > 0, bytes.count - position < 3 {
    position -= 1
    let byte = bytes[position]
    if byte & 0xC0 == 0x80 { continue }
    let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC2 ? 2 : 1
    return byte <= 0xF4 && bytes.count - position < length ? bytes.count - position : 0
  }
  return 0
}

/// The clean-up of English text in `tokenizers`: removes spaces before punctuation and contractions.
private func cleanedUp(_ text: String) -> String {
  let changes = [
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
    (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
  ]
  return changes.reduce(text) { $0.replacingScalars($1.0, by: $1.1) }
}

/// What transformers makes of a decoded text with `clean_up_tokenization_spaces`.
func withoutSpacesBeforePunctuation(_ text: String) -> String {
  let changes = [
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"), (" 's", "'s"),
    (" 've", "'ve"), (" 're", "'re"),
  ]
  return changes.reduce(text) { $0.replacingScalars($1.0, by: $1.1) }
}

extension String {
  /// `hasPrefix` by scalars, even if a combining mark follows the prefix.
  fileprivate func hasScalarPrefix(_ prefix: String) -> Bool { utf8.starts(with: prefix.utf8) }

  fileprivate func droppingPrefix(_ prefix: String) -> String {
    String(unicodeScalars.dropFirst(prefix.unicodeScalars.count))
  }

  func replacingScalars(_ pattern: String, by text: String) -> String {
    // Most tokens have nothing to replace.
    guard let first = pattern.utf8.first, utf8.contains(first) else { return self }
    return String(
      scalars: replaced(Array(unicodeScalars), Array(pattern.unicodeScalars), by: Array(text.unicodeScalars)))
  }
}
