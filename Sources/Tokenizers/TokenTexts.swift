extension Tokenizer {
  /// What a person should see of each of `ids`: one text a token.
  ///
  /// Spaces stand as spaces, whatever the vocabulary writes for them. A character that several tokens make up stands with
  /// the last of them; the others have an empty text. Bytes that make no character, as where a text was cut within one,
  /// are written `<0x9F>`. Special and other added tokens stand as they are spelled, and so do the pieces of WordPiece
  /// (`##ing`).
  public func texts(of ids: [Int32]) -> [String] {
    var texts: [String] = []
    // The tokens, with their bytes, of a character that is not complete yet.
    var pending: [(place: Int, bytes: [UInt8])] = []
    func giveUp() {
      for (place, bytes) in pending { texts[place] += Self.hexadecimal(bytes) }
      pending = []
    }
    for (place, id) in ids.enumerated() {
      guard let bytes = bytes(of: id) else {
        giveUp()
        texts.append(token(id) ?? "")
        continue
      }
      texts.append("")
      var all = pending.flatMap(\.bytes) + bytes
      if !pending.isEmpty, Self.text(all) == nil {
        giveUp()
        all = bytes
      }
      guard let text = Self.text(all) else {
        texts[place] = Self.hexadecimal(bytes)
        continue
      }
      texts[place] = text
      let rest = all.suffix(lengthOfUnfinishedScalar(all))
      if !text.isEmpty { pending = [] }
      if !rest.isEmpty { pending.append((place, text.isEmpty ? bytes : Array(rest))) }
    }
    giveUp()
    return texts
  }

  /// The complete characters; nil where something else is no UTF-8.
  private static func text(_ bytes: [UInt8]) -> String? {
    String(validating: bytes.dropLast(lengthOfUnfinishedScalar(bytes)), as: UTF8.self)
  }

  private static func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { "<0x\($0 < 16 ? "0" : "")\(String($0, radix: 16, uppercase: true))>" }.joined()
  }
}

extension TokenDecoder {
  /// The bytes that a token of the vocabulary stands for, wherever it is in a text.
  func bytes(of token: String) -> [UInt8] {
    switch self {
    case .byteLevel: byteLevelBytes([token])
    case .metaspace(let metaspace): Array(token.replacingScalars(String(metaspace.replacement), by: " ").utf8)
    case .replace(let pattern, let text): Array(token.replacingScalars(pattern, by: text).utf8)
    case .byteFallback: byteValue(ofToken: token).map { [$0] } ?? Array(token.utf8)
    case .sequence(let steps):
      // What a step made a byte is no text for the next one.
      steps.reduce(Array(token.utf8)) { bytes, step in
        String(validating: bytes, as: UTF8.self).map(step.bytes(of:)) ?? bytes
      }
    // These change texts by what stands around a token, or at the ends of a text.
    case .spaced, .wordPiece, .bytePairs, .replaceMatches, .repeats, .fuse, .strip: Array(token.utf8)
    }
  }
}
