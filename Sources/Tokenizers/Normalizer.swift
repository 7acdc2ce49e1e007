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
  case strip(left: Bool, right: Bool)
  case precompiled(Precompiled)
  /// Replaces each matching piece of white space by one space: runs of two or more, and line ends and TABs.
  case spaceRuns
  case sequence([Normalizer])

  func normalize(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    switch self {
    case .bert(let bert): bert.normalize(text)
    case .form(let form): form.normalize(text)
    case .lowercase: lowercased(text)
    case .stripAccents: text.filter { !$0.isCombiningMark }
    case .prepend(let prefix): text.isEmpty ? [] : prefix + text
    case .replace(let pattern, let replacement): replaced(text, pattern, by: replacement)
    case .strip(let left, let right): stripped(text, left: left, right: right)
    case .precompiled(let rules): rules.normalize(text)
    case .spaceRuns: spaceRunsReplaced(text)
    case .sequence(let normalizers): normalizers.reduce(text) { $1.normalize($0) }
    }
  }
}

extension Normalizer {
  private static let types: KeyValuePairs = [
    "BertNormalizer": ["clean_text", "handle_chinese_chars", "strip_accents", "lowercase"],
    "Sequence": ["normalizers"], "NFC": [], "NFD": [], "NFKC": [], "NFKD": [], "Lowercase": [], "StripAccents": [],
    "Prepend": ["prepend"], "Replace": ["pattern", "content"], "Strip": ["strip_left", "strip_right"],
    "Precompiled": ["precompiled_charsmap"],
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
    case "Replace"
    where field.node["pattern"]?["Regex"]?.string == superfluousSpace && field.node["content"]?.string == " ":
      self = .spaceRuns
    case "Replace":
      let content = try field.member("content").scalars()
      self = .replace(try replacedText(field.member("pattern")), with: content)
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

/// The pattern of `Replace` in tokenizer.json, which must be a text: regular expressions are not supported.
func replacedText(_ field: JSONField) throws -> [Unicode.Scalar] {
  try field.requireOnly(["String", "Regex"])
  if let expression = try field.optional("Regex") {
    throw expression.unsupported("the pattern \(try expression.string())", ["String"])
  }
  return try field.member("String").scalars()
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

/// DeBERTa's expression for superfluous white space.
private let superfluousSpace = #"\s{2,}|[\n\r\t]"#

private func spaceRunsReplaced(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
  var result: [Unicode.Scalar] = []
  result.reserveCapacity(text.count)
  var position = 0
  while position < text.count {
    let run = text[position...].prefix { $0.isSpace }
    if run.count > 1 || run.first == "\n" || run.first == "\r" || run.first == "\t" {
      result.append(" ")
    } else {
      result.append(text[position])
    }
    position += max(1, run.count)
  }
  return result
}

private func stripped(_ text: [Unicode.Scalar], left: Bool, right: Bool) -> [Unicode.Scalar] {
  var rest = text[...]
  if left { rest = rest.drop { $0.isSpace } }
  while right, let last = rest.last, last.isSpace { rest.removeLast() }
  return Array(rest)
}
