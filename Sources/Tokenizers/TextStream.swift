/// Decodes tokens one by one as a model generates them.
///
///     var stream = TextStream(tokenizer)
///     for id in generated { print(stream.add(id), terminator: "") }
///     print(stream.finish())
///
/// Bytes are held back until their character is complete. All texts together equal `Tokenizer.decode` of all ids, unless
/// a run of byte tokens turns out not to be UTF-8 after parts of it have been returned.
public struct TextStream: Sendable {
  private let tokenizer: Tokenizer
  private let skipsSpecialTokens: Bool
  /// The latest tokens; the text of the first `given` of them has been returned.
  private var ids: [Int32]
  private var given = 0

  /// A stream that continues `context`, whose text is not returned.
  public init(_ tokenizer: Tokenizer, after context: [Int32] = [], skipsSpecialTokens: Bool = true) {
    self.tokenizer = tokenizer
    self.skipsSpecialTokens = skipsSpecialTokens
    ids = context
    given = context.count
  }

  /// The text that the next token completes, often empty.
  public mutating func add(_ id: Int32) -> String {
    ids.append(id)
    if tokenizer.endsWithinCharacter(ids, skipsSpecialTokens: skipsSpecialTokens) { return "" }
    return give()
  }

  /// The text held back because its last character is incomplete.
  public mutating func finish() -> String { give() }

  private mutating func give() -> String {
    let before = text(ids[..<given]), after = text(ids[...])
    let new = after.unicodeScalars.dropFirst(before.unicodeScalars.count)
    // As long as the last tokens have text themselves, they show that the next one does not begin a text.
    let latest = ids[given...]
    if !new.isEmpty, !text(latest).isEmpty { ids = Array(latest) }
    given = ids.count
    return String(new)
  }

  private func text(_ ids: ArraySlice<Int32>) -> String {
    tokenizer.decode(ids, skipsSpecialTokens: skipsSpecialTokens)
  }
}
