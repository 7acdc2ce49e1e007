extension Tokenizer {
  /// The ids of `text`, as `ids(of:)` gives them, and for each of `places`, positions among the text's Unicode scalars, the
  /// number of the first token that stands for the scalar there: `char_to_token` of `tokenizers`.
  ///
  /// Nil where that cannot be told: at the end of the text, where a normaliser makes one thing of what lies on both sides
  /// of the place, and where tokens do not spell their text (unknown ones, WordPiece).
  public func ids(of text: String, places: [Int]) -> (ids: [Int32], tokens: [Int?]) {
    let scalars = Array(text.unicodeScalars)
    var ids: [Int32] = [], tokens = [Int?](repeating: nil, count: places.count)
    for piece in verbatim.split(scalars) {
      switch piece {
      case .token(let id, let range):
        for (index, place) in places.enumerated() where range.contains(place) { tokens[index] = ids.count }
        ids.append(id)
      case .text(let text):
        let wanted = places.enumerated().filter { text.indices.contains($0.element) }
        let found = wanted.map { (index: $0.offset, place: normalizedPlace($0.element, in: text)) }
        for piece in normalizedPieces(text) {
          let start = ids.count
          encodeNormalized(piece, isStart: text.startIndex == 0, into: &ids)
          for (index, place) in found {
            guard let place, let token = token(at: place, in: piece, spelledBy: ids[start...]) else { continue }
            tokens[index] = token
          }
        }
      }
    }
    return (ids, tokens)
  }

  /// Where the scalar at `place` of `text` begins in the normalised text, counted from its start.
  private func normalizedPlace(_ place: Int, in text: ArraySlice<Unicode.Scalar>) -> Int? {
    guard let normalizer = parts.normalizer else { return place - text.startIndex }
    let before = normalizer.normalize(Array(text[..<place]))
    return normalizer.normalize(Array(text)).starts(with: before) ? before.count : nil
  }

  /// The number of the token that stands for the scalar at `place` of normalised text, if `piece` holds it.
  private func token(at place: Int, in piece: AddedTokens.Piece, spelledBy ids: ArraySlice<Int32>) -> Int? {
    switch piece {
    case .token(_, let range): return range.contains(place) ? ids.startIndex : nil
    case .text(let text):
      guard text.indices.contains(place) else { return nil }
      let byte = spelling(text[..<place]).count
      return spans(of: ids, in: spelling(text)).flatMap { spans in
        spans.firstIndex { $0.contains(byte) }.map { ids.startIndex + $0 }
      }
    }
  }

  /// The bytes of normalised text as `spans` compares them with those of tokens.
  private func spelling(_ text: ArraySlice<Unicode.Scalar>) -> [UInt8] {
    parts.decoder.isByteLevel ? Array(String(scalars: text).utf8) : bytesWithSpaces(text)
  }

  /// Which bytes of `text` each token stands for; nil where the tokens do not spell it. A space that a tokenizer puts in
  /// front of a text belongs to the token that begins with it (a token of nothing else stands for what follows too), one
  /// that it drops to none.
  private func spans(of ids: ArraySlice<Int32>, in text: [UInt8]) -> [Range<Int>]? {
    let space = UInt8(ascii: " ")
    var spans: [Range<Int>] = [], end = 0
    for id in ids {
      guard var bytes = token(id).map({ parts.decoder.bytes(ofToken: $0) })?[...] else { return nil }
      while end < text.count, !text[end...].starts(with: bytes) {
        if bytes.first == space {
          bytes.removeFirst()
        } else if text[end] <= space || isDropped(text[end]) {
          end += 1
        } else {
          return nil
        }
      }
      guard text[end...].starts(with: bytes) else { return nil }
      spans.append(end..<min(end + max(1, bytes.count), text.count))
      end += bytes.count
    }
    return spans
  }

  /// Whether the vocabulary has no token for a byte, so that texts lose it (some bytes of SmolLM2's).
  private func isDropped(_ byte: UInt8) -> Bool {
    parts.decoder.isByteLevel && parts.id(String(ByteLevel.alphabet[Int(byte)])) == nil
  }
}

extension TokenDecoder {
  /// The bytes that a token of a vocabulary spells inside a text.
  fileprivate func bytes(ofToken token: String) -> [UInt8] {
    if isByteLevel { return byteLevelBytes([token]) }
    if let byte = byteValue(ofToken: token) { return [byte] }
    return bytesWithSpaces(token.unicodeScalars)
  }

  fileprivate var isByteLevel: Bool {
    switch self {
    case .byteLevel: true
    case .sequence(let steps): steps.contains { $0.isByteLevel }
    default: false
    }
  }
}

/// UTF-8, with SentencePiece's `▁` as the space that it stands for.
private func bytesWithSpaces(_ scalars: some Sequence<Unicode.Scalar>) -> [UInt8] {
  scalars.flatMap { $0 == "▁" ? [UInt8(ascii: " ")] : Array(String($0).utf8) }
}
