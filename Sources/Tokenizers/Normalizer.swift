import StrictJSON

/// The first step of encoding: brings text into the form that the model was trained on.
enum Normalizer: Sendable {
  case bert(BertNormalizer)
  case form(UnicodeForm)
  case lowercase
  case stripAccents
  /// Puts a prefix before a text that is not empty.
  case prepend([Unicode.Scalar])
  case replace([Unicode.Scalar], with: [Unicode.Scalar])
  case replaceMatches(RegularExpression, with: [Unicode.Scalar])
  case strip(left: Bool, right: Bool)
  case precompiled(Precompiled)
  /// SentencePiece's clean-up for translation: drops controls, turns other white space and format scalars into spaces.
  case nmt
  /// Writes each UTF-8 byte as one printable scalar.
  case byteLevel
  case sequence([Normalizer])

  func normalize(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    switch self {
    case .bert(let bert): bert.normalize(text)
    case .form(let form): form.normalize(text)
    case .lowercase: lowercased(text)
    case .stripAccents: text.filter { !$0.isCombiningMark }
    case .prepend(let prefix): text.isEmpty ? [] : prefix + text
    case .replace(let pattern, let replacement): replaced(text, pattern, by: replacement)
    case .replaceMatches(let expression, let replacement): expression.replaceMatches(in: text, by: replacement)
    case .strip(let left, let right): stripped(text, left: left, right: right)
    case .precompiled(let rules): rules.normalize(text)
    case .nmt: cleanedForTranslation(text)
    case .byteLevel: byteLevelText(text)
    case .sequence(let normalizers): normalizers.reduce(text) { $1.normalize($0) }
    }
  }
}

extension Normalizer {
  var expressions: [RegularExpression] {
    switch self {
    case .replaceMatches(let expression, _): [expression]
    case .sequence(let steps): steps.flatMap(\.expressions)
    default: []
    }
  }

  private static let types: KeyValuePairs = [
    "BertNormalizer": ["clean_text", "handle_chinese_chars", "strip_accents", "lowercase"],
    "Sequence": ["normalizers"], "NFC": [], "NFD": [], "NFKC": [], "NFKD": [], "Lowercase": [], "StripAccents": [],
    "Prepend": ["prepend"], "Replace": ["pattern", "content"], "Strip": ["strip_left", "strip_right"],
    "Precompiled": ["precompiled_charsmap"], "Nmt": [], "ByteLevel": [],
  ]

  /// Reads `normalizer` of tokenizer.json.
  init(_ field: JSONField) throws {
    switch try field.type(among: Self.types) {
    case "BertNormalizer":
      let lowercase = try field.member("lowercase").bool()
      self = .bert(
        BertNormalizer(
          cleansText: try field.member("clean_text").bool(),
          isolatesIdeographs: try field.member("handle_chinese_chars").bool(),
          stripsAccents: try field.flag("strip_accents", or: lowercase), lowercases: lowercase))
    case "Sequence": self = .sequence(try field.member("normalizers").elements().map { try Normalizer($0) })
    case "NFC": self = .form(.nfc)
    case "NFD": self = .form(.nfd)
    case "NFKC": self = .form(.nfkc)
    case "NFKD": self = .form(.nfkd)
    case "Lowercase": self = .lowercase
    case "StripAccents": self = .stripAccents
    case "Prepend": self = .prepend(try field.member("prepend").scalars())
    case "Precompiled": self = .precompiled(try Precompiled(field.member("precompiled_charsmap")))
    case "Nmt": self = .nmt
    case "ByteLevel": self = .byteLevel
    case "Replace":
      let content = try field.member("content").scalars()
      self =
        switch try ReplacedPattern(field.member("pattern")) {
        case .text(let text): .replace(text, with: content)
        case .expression(let expression): .replaceMatches(expression, with: content)
        }
    default:
      self = .strip(left: try field.member("strip_left").bool(), right: try field.member("strip_right").bool())
    }
  }
}

/// BERT's clean-up.
struct BertNormalizer: Sendable {
  /// Remove control characters and turn white space into spaces.
  var cleansText: Bool
  /// Put spaces around ideographs, which makes each a word.
  var isolatesIdeographs: Bool
  /// Decompose, then drop nonspacing marks.
  var stripsAccents: Bool
  /// Map to lower case scalar by scalar, without the rule for a final sigma.
  var lowercases: Bool

  func normalize(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count + 8)
    var isASCII = true
    for scalar in text {
      if cleansText {
        if scalar.value == 0 || scalar.value == 0xFFFD || scalar.isBertControl { continue }
        if scalar.isSpace {
          result.append(" ")
          continue
        }
      }
      if scalar.isASCII {
        result.append(lowercases ? scalar.asciiLowercased : scalar)
        continue
      }
      isASCII = false
      if isolatesIdeographs, scalar.isBertIdeograph {
        result += [" ", scalar, " "]
      } else {
        result.append(scalar)
      }
    }
    if isASCII { return result }
    if stripsAccents { result = UnicodeForm.nfd.normalize(result).filter { !$0.isBertAccent } }
    return lowercases ? lowercased(result) : result
  }
}

extension Unicode.Scalar {
  var asciiLowercased: Unicode.Scalar {
    (0x41...0x5A).contains(value) ? Unicode.Scalar(UInt8(value) + 0x20) : self
  }
}

/// `text` in lower case, each scalar by its full mapping.
private func lowercased(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
  var result: [Unicode.Scalar] = []
  result.reserveCapacity(text.count)
  for scalar in text {
    if scalar.isASCII {
      result.append(scalar.asciiLowercased)
    } else {
      result.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
    }
  }
  return result
}

/// The pattern of `Replace` in tokenizer.json.
enum ReplacedPattern {
  /// Not empty.
  case text([Unicode.Scalar])
  case expression(RegularExpression)

  init(_ field: JSONField) throws {
    try field.requireOnly(["String", "Regex"])
    if let text = try field.optional("String") {
      let scalars = try text.scalars()
      // An empty text is found between all scalars.
      self = scalars.isEmpty ? .expression(try RegularExpression("", place: text.place)) : .text(scalars)
    } else {
      self = .expression(try RegularExpression(field.member("Regex")))
    }
  }
}

func replaced(
  _ text: [Unicode.Scalar], _ pattern: [Unicode.Scalar], by replacement: [Unicode.Scalar]
) -> [Unicode.Scalar] {
  guard let first = pattern.first else { return text }
  var result: [Unicode.Scalar] = []
  result.reserveCapacity(text.count)
  var position = 0
  while position < text.count {
    if text[position] == first, pattern.count == 1 || text[position...].starts(with: pattern) {
      result.append(contentsOf: replacement)
      position += pattern.count
    } else {
      result.append(text[position])
      position += 1
    }
  }
  return result
}

private func cleanedForTranslation(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
  text.compactMap { scalar in
    switch scalar.value {
    case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x8F, 0x9F: nil
    case 0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD: " "
    default: scalar
    }
  }
}

private func byteLevelText(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
  var result: [Unicode.Scalar] = []
  result.reserveCapacity(text.count)
  ByteLevel.write(text[...], to: &result)
  return result
}

private func stripped(_ text: [Unicode.Scalar], left: Bool, right: Bool) -> [Unicode.Scalar] {
  var rest = text[...]
  if left { rest = rest.drop { $0.isSpace } }
  while right, let last = rest.last, last.isSpace { rest.removeLast() }
  return Array(rest)
}
