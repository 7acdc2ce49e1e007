import Adapters
import Autograd
import Cluster
import Kernels
import Models
import Tasks

extension PreparedRun {
  /// Tokens whose activations decide the column factors.
  static let calibrationTokens = 1024

  /// The run with its model rounded to eight bits, if its precision is int8: with the factors of a checkpoint (`kept`), or
  /// with those for the first examples of `items`, rank 0's on every rank.
  func roundedIfNeeded(kept: Int8Factors?, items: () throws -> [EncodedDataset.Item]) throws -> PreparedRun {
    guard config.training.precision == .int8, int8Factors == nil else { return self }
    if let kept { return try rounded(with: kept) }
    let own = try cluster.together { cluster.leads ? try factors(from: items()) : nil }
    return try rounded(with: cluster.share(own))
  }

  /// The column factors that a run in int8 left in `directory`; nil for other precisions, and where there are none.
  func keptInt8Factors(in directory: String) throws -> Int8Factors? {
    config.training.precision == .int8 ? try Int8Factors.read(directory, geometry) : nil
  }

  /// The column factors for the first examples of `items`, through the base model as it is stored.
  private func factors(from items: [EncodedDataset.Item]) throws -> Int8Factors {
    var tokens = 0
    let first = items.prefix { item in
      defer { tokens += item.ids.count }
      return tokens < Self.calibrationTokens
    }
    let batch = try task().objective.batch(Array(first), network().objectiveModel, .evaluation)
    let plan = ShardPlan(lengths: batch.lengths, shardTokens: config.training.shardTokens)
    let state = TrainableState(table: table, head: try head())
    let seen = pool.map(plan.shards.count) { index, workspace in
      let tape = Tape(workspace: workspace, parameters: state.values), ranges = InputRanges()
      tape.inputRanges = ranges
      _ = batch.forward(
        plan.shards[index],
        ForwardContext(tape: tape, adapters: geometry.sites.map { _ in nil }, head: state.headReferences))
      return ranges.groups
    }
    let factors = try Int8Factors(InputRanges.merged(seen), geometry, geometry.checkpoint(modelDirectory))
    // The rounded model is loaded anew, beside this one.
    try network().forgetPages()
    return factors
  }
}

extension Cluster {
  /// Rank 0's factors, on every rank.
  fileprivate func share(_ own: Int8Factors?) -> Int8Factors {
    var writer = ByteWriter()
    for group in own?.groups ?? [] {
      writer.write(group.name)
      writer.write(group.factors.values)
    }
    var reader = ByteReader(broadcast(writer.bytes)), groups: [Int8Factors.Group] = []
    while !reader.isAtEnd {
      groups.append(Int8Factors.Group(name: reader.readText(), factors: ColumnFactors(reader.readAll())))
    }
    return Int8Factors(groups)
  }
}
