/// The first step of encoding: text in, text as the model was trained on out.
enum Normalizer: Sendable {
  case bert(BertNormalizer)
  case form(UnicodeForm)
  case lowercase
  case stripAccents
  case sequence([Normalizer])

  func normalize(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    switch self {
    case .bert(let bert): bert.normalize(text)
    case .form(let form): form.normalize(text)
    case .lowercase: lowercased(text)
    case .stripAccents: text.filter { !$0.isCombiningMark }
    case .sequence(let normalizers): normalizers.reduce(text) { $1.normalize($0) }
    }
  }
}

extension Normalizer {
  /// The types in tokenizer.json that are supported.
  static let types = ["BertNormalizer", "Sequence", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"]

  /// Reads a `normalizer` of tokenizer.json.
  init(_ field: Field) throws {
    let type = try field.member("type")
    var known = ["type"]
    switch try type.string() {
    case "BertNormalizer":
      known += ["clean_text", "handle_chinese_chars", "strip_accents", "lowercase"]
      let lowercase = try field.member("lowercase").bool()
      self = .bert(
        BertNormalizer(
          cleansText: try field.member("clean_text").bool(),
          isolatesIdeographs: try field.member("handle_chinese_chars").bool(),
          stripsAccents: try field.optional("strip_accents")?.bool() ?? lowercase,
          lowercases: lowercase))
    case "Sequence":
      known.append("normalizers")
      self = .sequence(try field.member("normalizers").elements().map { try Normalizer($0) })
    case "NFC": self = .form(.nfc)
    case "NFD": self = .form(.nfd)
    case "NFKC": self = .form(.nfkc)
    case "NFKD": self = .form(.nfkd)
    case "Lowercase": self = .lowercase
    case "StripAccents": self = .stripAccents
    case let other: throw TokenizerError.unsupported(type.place, value: other, supported: Self.types)
    }
    try field.refuseOtherMembers(than: known)
  }
}

/// BERT's clean-up.
struct BertNormalizer: Sendable {
  /// Remove control characters; write every white space as a space.
  var cleansText: Bool
  /// Put spaces around ideographs, so that each becomes a word.
  var isolatesIdeographs: Bool
  /// Decompose, and drop the nonspacing marks.
  var stripsAccents: Bool
  /// Map to lower case, scalar by scalar (a final sigma is none).
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
  fileprivate var asciiLowercased: Unicode.Scalar {
    (0x41...0x5A).contains(value) ? Unicode.Scalar(UInt8(value) + 0x20) : self
  }
}

/// `text` in lower case, every scalar by its own full mapping.
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
