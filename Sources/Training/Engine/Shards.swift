/// Cuts the examples of a batch into shards: whole sequences, about equally many tokens each.
///
/// A shard is the unit of work of one worker. How a batch is cut depends on the batch alone and never on the number of
/// threads, so results don't either.
public struct ShardPlan: Sendable, Equatable {
  /// For each shard, the positions of its examples in the batch, ascending.
  public let shards: [[Int]]

  /// Tokens a shard has at the most, unless one sequence alone has more: enough for products at full rate, few enough
  /// for activations to stay near the core.
  public static let targetTokens = 512
  /// A small batch is cut into more shards, so that several cores have work, but not into smaller ones: products of
  /// fewer rows run at a lower rate.
  static let minimumTokens = 128
  /// The most shards that a small batch is cut into.
  static let smallBatchShards = 32
  /// With more trained numbers than these (16 MB), clearing and adding a shard's gradients costs too much.
  static let fewNumbers = 4 << 20

  /// Longest sequences first, each to the shard with the fewest tokens so far. The number of shards is even where
  /// there are several, for the commonest numbers of cores. `trained` is how many numbers have gradients.
  public init(lengths: [Int], trained: Int) {
    let total = lengths.reduce(0, +)
    let full = (total + Self.targetTokens - 1) / Self.targetTokens
    let small = trained <= Self.fewNumbers ? min(Self.smallBatchShards, total / Self.minimumTokens) : 0
    let wanted = max(full, small)
    let count = min(lengths.count, wanted > 1 ? wanted + wanted % 2 : 1)
    guard count > 0 else {
      shards = []
      return
    }
    var shards = Array(repeating: [Int](), count: count), tokens = Array(repeating: 0, count: count)
    let order = lengths.indices.sorted { (lengths[$1], $0) < (lengths[$0], $1) }
    for example in order {
      let lightest = tokens.indices.min { (tokens[$0], $0) < (tokens[$1], $1) } ?? 0
      shards[lightest].append(example)
      tokens[lightest] += lengths[example]
    }
    self.shards = shards.map { $0.sorted() }
  }
}
