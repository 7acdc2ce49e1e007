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
  /// Shards that a small batch is cut into, so that several cores have work. More would cost those who have few cores:
  /// every product lays out its weights anew, however few rows it has.
  static let smallBatchShards = 4
  /// Smaller shards than this are not worth their products' lower rate.
  static let minimumTokens = 96

  /// Longest sequences first, each to the shard with the fewest tokens so far. The number of shards is even where
  /// there are several, for the commonest numbers of cores. `shardTokens` is what the config asks for.
  public init(lengths: [Int], shardTokens: Int? = nil) {
    let total = lengths.reduce(0, +), target = shardTokens ?? Self.targetTokens
    let full = (total + target - 1) / target
    let small = shardTokens == nil ? min(Self.smallBatchShards, total / Self.minimumTokens) : 0
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
