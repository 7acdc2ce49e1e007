/// Decodes tokens one by one, as a model generates them.
///
///     var stream = TextStream(tokenizer)
///     for id in generated { print(stream.add(id), terminator: "") }
///     print(stream.finish())
///
/// A text never ends within a character: bytes are held back until their character is complete. All texts together are
/// what `Tokenizer.decode` makes of all ids, unless a run of byte tokens turns out to be no UTF-8 after parts of it
/// have been given out.
public struct TextStream: Sendable {
  private let tokenizer: Tokenizer
  private let skipsSpecialTokens: Bool
  /// The latest tokens; the text of the first `given` of them has been given out.
  private var ids: [Int32]
  private var given = 0

  /// A stream that begins after `context`, whose text is not given out.
  public init(_ tokenizer: Tokenizer, after context: [Int32] = [], skipsSpecialTokens: Bool = true) {
    self.tokenizer = tokenizer
    self.skipsSpecialTokens = skipsSpecialTokens
    ids = context
    given = context.count
  }

  /// The text that is complete with the next token; often empty.
  public mutating func add(_ id: Int32) -> String {
    ids.append(id)
    if tokenizer.endsWithinCharacter(ids, skipsSpecialTokens: skipsSpecialTokens) { return "" }
    return give()
  }

  /// The text that was held back, where the last character is not complete.
  public mutating func finish() -> String { give() }

  private mutating func give() -> String {
    let before = text(ids[..<given]), after = text(ids[...])
    let new = after.unicodeScalars.dropFirst(before.unicodeScalars.count)
    // The last tokens alone tell what follows them from what begins a text, as far as they have text themselves.
    let latest = ids[given...]
    if !new.isEmpty, !text(latest).isEmpty { ids = Array(latest) }
    given = ids.count
    return String(new)
  }

  private func text(_ ids: ArraySlice<Int32>) -> String {
    tokenizer.decode(ids, skipsSpecialTokens: skipsSpecialTokens)
  }
}
