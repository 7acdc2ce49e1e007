import Adapters
import Cluster
import Configuration
import Diagnostics
import Metrics
import Tasks

extension Cluster {
  /// Throws `UnequalRanks` on all ranks unless each has the same `text`, which is not shown. `name` is what it describes.
  func requireSame(_ name: String, _ text: String) throws {
    if isAlone { return }
    let texts = gather(Array(text.utf8))
    let differences = zip(members, texts).filter { $0.1 != texts[0] }.map { member, _ in
      "\(member.name) has other \(name) than \(members[0].name)"
    }
    if !differences.isEmpty { throw UnequalRanks(differences: differences) }
  }
}

extension RunDirectory {
  /// The run in `path` on every rank. Rank 0 chooses the adapter, since a run that goes on may replace its checkpoints
  /// while others look.
  public static func shared(_ path: String, by cluster: Cluster) throws -> RunDirectory {
    let own = try cluster.together { cluster.leads ? try RunDirectory(path) : nil }
    let adapter = cluster.broadcast(Array((own?.adapterPath ?? "").utf8))
    return own ?? RunDirectory(path: path, adapterPath: String(decoding: adapter, as: UTF8.self))
  }
}

extension ScoringRun {
  /// Throws on all ranks unless all score the same adapter of the same model under the same config. Returns notes on
  /// ranks that round otherwise.
  public func requireEqualRanks() throws -> [String] {
    let cluster = run.cluster
    if cluster.isAlone { return [] }
    let model = try cluster.together { try InputFingerprint.model(run.modelDirectory) }
    let identity = RankIdentity(config: run.config, model: model)
    let notices = try identity.requireEqual(on: cluster, allowsMixedMachines: true)
    try cluster.requireSame("adapter values", "\(state.values.hash(0..<state.values.count))")
    return notices
  }

  /// Reads a split on every rank. Throws on all of them unless they have the same examples. `check` may refuse them.
  public func load(_ split: Split, _ check: (EncodedDataset) throws -> Void) throws -> EncodedDataset {
    let data = try run.cluster.together {
      let data = try run.load(split)
      try check(data)
      return data
    }
    try run.cluster.requireSame("examples", run.cluster.isAlone ? "" : data.fingerprint)
    return data
  }

  /// The development sets on every rank. Throws on all of them unless they have the same.
  public func evaluationSplits() throws -> (present: [Split], notices: [String]) {
    let splits = try run.cluster.together { try run.evaluationSplits() }
    try run.cluster.requireSame("splits", splits.present.map(\.rawValue).joined(separator: " "))
    return splits
  }

  /// Texts to predict for, encoded on every rank. Throws on all of them unless they have the same.
  public func encode(_ texts: SplitData) throws -> EncodedDataset {
    let data = try run.cluster.together { try run.encode(texts) }
    try run.cluster.requireSame("texts", run.cluster.isAlone ? "" : data.fingerprint)
    return data
  }
}

extension GenerationRun {
  /// The ids of prompts on every rank, to be continued with `options`. Throws on all of them unless they have the same.
  /// `ids` makes them.
  public func prompts(_ options: GenerationOptions, _ ids: () throws -> [[Int32]]) throws -> [[Int32]] {
    let prompts = try cluster.together(ids)
    var digest = Digest()
    digest.update("\(options)")
    for prompt in prompts {
      digest.update([prompt.count])
      digest.update(prompt)
    }
    try cluster.requireSame("prompts or options", digest.text)
    return prompts
  }
}
