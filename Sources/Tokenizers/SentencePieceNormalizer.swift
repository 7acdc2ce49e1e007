/// SentencePiece's normalisation: applies the model's rules, turns spaces into `▁` and puts one in front.
struct SentencePieceNormalizer: Sendable {
  /// The replacements of the model; the longest match wins.
  private let rules: ReplacementRules?
  /// The symbols that no rule changes.
  private let userDefined: LongestMatch
  private let addsPrefix: Bool
  private let marksWordEnds: Bool
  private let removesExtraSpaces: Bool
  private let space: Unicode.Scalar
  /// Also put a `▁` before text that follows an added token.
  var addsPrefixAfterTokens = true

  init(_ file: SentencePieceFile) throws {
    rules = file.replacements.isEmpty ? nil : try ReplacementRules(file)
    addsPrefix = file.addsPrefix
    marksWordEnds = file.marksWordEnds
    removesExtraSpaces = file.removesExtraSpaces
    space = file.escapesSpaces ? "▁" : " "
    userDefined = LongestMatch(
      file.pieces.filter { $0.kind == .userDefined }.map { Array($0.text.unicodeScalars) })
  }

  /// - Parameter isStart: whether `text` begins the whole text.
  func normalize(_ text: [Unicode.Scalar], isStart: Bool) -> [Unicode.Scalar] {
    let addsPrefix = addsPrefix && (isStart || addsPrefixAfterTokens)
    var position = 0
    if removesExtraSpaces {
      while position < text.count {
        let (part, length) = rewritten(text, at: position)
        if part != [" "] { break }
        position += length
      }
    }
    if position == text.count { return [] }
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count + 1)
    if addsPrefix, !marksWordEnds { result.append(space) }
    var isAfterSpace = removesExtraSpaces
    while position < text.count {
      let (part, length) = rewritten(text, at: position)
      position += length
      let kept = isAfterSpace ? part.drop { $0 == " " } : part
      for scalar in kept { result.append(scalar == " " ? space : scalar) }
      if let last = kept.last { isAfterSpace = removesExtraSpaces && last == " " }
    }
    if removesExtraSpaces {
      while result.last == space { result.removeLast() }
    }
    if addsPrefix, marksWordEnds { result.append(space) }
    return result
  }

  /// The replacement at `position` and the number of scalars it replaces.
  private func rewritten(_ text: [Unicode.Scalar], at position: Int) -> (ArraySlice<Unicode.Scalar>, Int) {
    if let (_, count) = userDefined.find(in: text, at: position) { return (text[position..<(position + count)], count) }
    if let rules, let (part, length) = rules.match(in: text, at: position) { return (part, length) }
    return (text[position...position], 1)
  }
}

/// SentencePiece's `precompiled_charsmap`: a double-array trie of byte strings with their replacements.
private struct ReplacementRules: Sendable {
  private let units: [UInt32]
  private let texts: [UInt8]

  /// Parses the size of the trie in bytes, the trie, and the replacements, which end in NUL.
  init(_ file: SentencePieceFile) throws {
    let bytes = file.replacements
    let numbers = stride(from: 0, to: bytes.count - 3, by: 4).map { index in
      bytes[index..<(index + 4)].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    }
    guard let size = numbers.first, size % 4 == 0, size > 0, Int(size) + 4 <= bytes.count else {
      throw file.error("its normalisation rules are cut off")
    }
    units = Array(numbers[1..<(1 + Int(size) / 4)])
    texts = Array(bytes[(4 + Int(size))...])
    guard texts.split(separator: 0).allSatisfy({ $0.count <= Self.longestText }) else {
      throw file.error("a normalisation rule writes more than \(Self.longestText) bytes")
    }
  }

  /// Unicode's rules write at most 33 bytes. Without a limit, a short text could fill the memory.
  private static let longestText = 256
  /// Unicode's rules read a few scalars. A trie with a cycle would read to the end of the text at every position.
  private static let longestMatch = 256

  /// The replacement by the longest rule that matches at `position`, and the number of scalars it replaces.
  func match(in text: [Unicode.Scalar], at position: Int) -> (ArraySlice<Unicode.Scalar>, Int)? {
    var found: (offset: Int, length: Int)?
    var node = Self.offset(units[0])
    for index in position..<min(text.count, position + Self.longestMatch) {
      for byte in UTF8.encode(text[index]) ?? UTF8.EncodedScalar() {
        node ^= Int(byte)
        guard node < units.count, Self.label(units[node]) == UInt32(byte) else { return found.map(replacement) }
        let unit = units[node]
        node ^= Self.offset(unit)
        guard node < units.count else { return found.map(replacement) }
        if unit >> 8 & 1 == 1 { found = (Int(units[node] & 0x7FFF_FFFF), index + 1 - position) }
      }
    }
    return found.map(replacement)
  }

  private func replacement(_ found: (offset: Int, length: Int)) -> (ArraySlice<Unicode.Scalar>, Int) {
    guard found.offset < texts.count else { return ([], found.length) }
    let text = String(decoding: texts[found.offset...].prefix { $0 != 0 }, as: UTF8.self)
    return (Array(text.unicodeScalars)[...], found.length)
  }

  private static func label(_ unit: UInt32) -> UInt32 { unit & 0x8000_00FF }

  private static func offset(_ unit: UInt32) -> Int { Int((unit >> 10) << ((unit & 0x200) >> 6)) }
}
