import Synchronization

/// What single tokens add to a text in its middle, as bytes: a character may have several tokens.
///
///     let bytes = TokenBytes(tokenizer)
///     let text = bytes.of([72, 105])
///
/// Special tokens have their text. As transformers' `StopStringCriteria` takes tokens apart.
public final class TokenBytes: Sendable {
  private let tokenizer: Tokenizer
  /// Tokens in front, so that no token is the first one, with their text.
  private let before: [Int32]
  private let textBefore: String
  private let known = Mutex<[Int32: [UInt8]]>([:])

  /// For the tokens of `tokenizer`.
  public init(_ tokenizer: Tokenizer) {
    self.tokenizer = tokenizer
    before = tokenizer.ids(of: "abcdef")
    textBefore = tokenizer.decode(before, skipsSpecialTokens: false)
  }

  /// The bytes of one token; none of an unknown id.
  public func of(_ id: Int32) -> [UInt8] {
    if let bytes = known.withLock({ $0[id] }) { return bytes }
    let bytes = bytes(of: id)
    known.withLock { $0[id] = bytes }
    return bytes
  }

  private func bytes(of id: Int32) -> [UInt8] {
    guard let token = tokenizer.token(id) else { return [] }
    if let bytes = tokenizer.bytes(ofToken: token) { return bytes }
    let text = tokenizer.decode(before + [id], skipsSpecialTokens: false)
    let isLonger = text.utf8.starts(with: textBefore.utf8)
    return Array(isLonger ? text.utf8.dropFirst(textBefore.utf8.count) : text.utf8[...])
  }
}
