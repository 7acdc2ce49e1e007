/// Tokens that a model sees in one go: stretches of documents, one after the other.
public struct TokenBlock: Sendable, Equatable {
  /// At most as many as the block length.
  public var tokens: [Int32]
  /// The stretches, which cover the tokens. Attention stays inside of one, positions count from its start, and its first
  /// token is predicted by nothing.
  public var segments: [Range<Int>]

  /// A block.
  public init(tokens: [Int32], segments: [Range<Int>]) { (self.tokens, self.segments) = (tokens, segments) }

  /// How many tokens are predicted: all but the first of each segment.
  public var targetCount: Int { tokens.count - segments.count }
}

/// Packs documents, in their order, into blocks of `length` tokens (at least 2); the last may be shorter.
///
/// A document that does not fit goes on in the next block, as a segment of its own, like Hugging Face's `run_clm` cuts
/// texts. A single token left over, or without room for another beside it, predicts nothing and is left out.
public func packedBlocks(_ documents: [[Int32]], length: Int) -> [TokenBlock] {
  precondition(length >= 2, "a block of fewer than two tokens predicts nothing")
  var blocks: [TokenBlock] = []
  var block = TokenBlock(tokens: [], segments: [])
  func finish() {
    if !block.tokens.isEmpty { blocks.append(block) }
    block = TokenBlock(tokens: [], segments: [])
  }
  for document in documents {
    var rest = document[...]
    while rest.count > 1 {
      if length - block.tokens.count < 2 { finish() }
      let stretch = rest.prefix(length - block.tokens.count)
      block.segments.append(block.tokens.count..<(block.tokens.count + stretch.count))
      block.tokens += stretch
      rest = rest.dropFirst(stretch.count)
    }
  }
  finish()
  return blocks
}
