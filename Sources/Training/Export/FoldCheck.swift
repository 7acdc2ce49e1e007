import Adapters
import Autograd
import Checkpoints
import Kernels
import Models

/// How far the logits of a folded model are from those of its base with the adapter, on a few texts of fixed token ids.
public struct FoldDifference: Sendable, Equatable {
  /// The largest difference.
  public let largest: Double
  /// The largest logit of base and adapter, by magnitude.
  public let largestLogit: Double

  init(_ base: [Float], _ folded: [Float]) {
    precondition(base.count == folded.count && !base.isEmpty)
    let differences = zip(base, folded).map { abs(Double($0) - Double($1)) }
    largest = differences.contains { !$0.isFinite } ? .infinity : differences.reduce(0, max)
    largestLogit = base.reduce(0) { max($0, abs(Double($1))) }
  }
}

extension FoldRun {
  /// Compares the model in `path` with base and adapter, both computed in float32; nil for a model without a head, which
  /// has no logits. Pages of weights are dropped as soon as they are read, so that memory stays small here too.
  public func difference(at path: String) throws -> FoldDifference? {
    let kind = model.geometry.head
    let base = Probe(path: model.directory, config: model.geometry.config, seed: model.seed ?? 0, kind: kind)
    let folded = Probe(
      path: path, config: try ModelConfig(directory: path, architectures: [base.config.architecture]),
      seed: model.seed ?? 0, kind: kind)
    var labels: Int?
    switch model.task {
    case .asStored: return nil
    case .languageModel: break
    case .classifier(let head): labels = head.count
    }
    let head = labels.map { HeadParameter.all(config: model.geometry.config, labels: $0, kind: kind) } ?? []
    let (table, tensors, scale) = try model.source.content()
    var state = TrainableState(table: table, head: head, weights: model.source.weights)
    for (key, values) in tensors { state[key] = values }
    for (index, parameter) in head.enumerated() {
      state[head: index] = model.adapter.head[parameter.name]?.values ?? []
    }
    let adapters = state.adapters(sites: model.geometry.sites, scale: scale, dropout: 0)
    return FoldDifference(
      try base.logits(labels, adapters, state, ownHead: false),
      try folded.logits(labels, adapters.map { _ in nil }, state, ownHead: true))
  }
}

/// One of the two models, run over the same ids.
private struct Probe {
  let path: String
  let config: ModelConfig
  let seed: Int
  let kind: HeadKind

  /// Ids from all over the vocabulary, none of them padding.
  private var tokens: PackedTokens {
    var place = 0
    let sequences = [12, 9, 7, 4].map { length in
      let ids = (0..<min(length, config.maximumSequenceLength)).map { _ in
        place += 1
        let id = place * 7919 % config.vocabularySize
        return Int32(id == config.padTokenID ? (id + 1) % config.vocabularySize : id)
      }
      return (ids: ids, typeIDs: config.architecture.isDecoder ? [] : [Int32](repeating: 0, count: ids.count))
    }
    return PackedTokens(sequences, examples: Array(sequences.indices))
  }

  /// Logits of the classes, with the head in `state` or the checkpoint's own; without labels, those of the token after
  /// each text.
  func logits(
    _ labels: Int?, _ adapters: [LowRankAdapter?], _ state: TrainableState, ownHead: Bool
  ) throws -> [Float] {
    guard let labels else { return try nextTokenLogits(adapters, state) }
    var state = state
    if kind == .tokens { return try tokenLogits(labels, adapters, state, ownHead: ownHead) }
    let loaded = try LoadedClassifier(
      path: path, config: config, labels: labels, philox: Philox(seed: UInt64(truncatingIfNeeded: seed)))
    if ownHead, let head = loaded.storedHead {
      for (index, values) in head.enumerated() { state[head: index] = values }
    }
    let context = ForwardContext(
      tape: Tape(workspace: Workspace(), parameters: state.values), adapters: adapters, head: state.headReferences,
      afterBlock: { loaded.forgetPages() })
    return loaded.model.logits(tokens, context).values
  }

  /// The same of every token.
  private func tokenLogits(
    _ labels: Int, _ adapters: [LowRankAdapter?], _ state: TrainableState, ownHead: Bool
  ) throws -> [Float] {
    var state = state
    let loaded = try LoadedTokenClassifier(path: path, config: config, labels: labels)
    if ownHead, let head = loaded.storedHead {
      for (index, values) in head.enumerated() { state[head: index] = values }
    }
    let context = ForwardContext(
      tape: Tape(workspace: Workspace(), parameters: state.values), adapters: adapters, head: state.headReferences,
      afterBlock: { loaded.forgetPages() })
    let tokens = tokens, places = (0..<tokens.layout.sequences).map { Array(0..<tokens.layout.range($0).count) }
    return loaded.model.logits(tokens, at: places, context).values
  }

  private func nextTokenLogits(_ adapters: [LowRankAdapter?], _ state: TrainableState) throws -> [Float] {
    let model = try LanguageModel(path: path, config: config)
    let tape = Tape(workspace: Workspace(), parameters: state.values)
    let context = ForwardContext(tape: tape, adapters: adapters, head: [], afterBlock: { model.forgetPages() })
    let states = model.decoder.states(tokens, onlyLast: true, context)
    defer { model.forgetPages() }
    return model.logits(states, tape).values
  }
}

extension HeadLabels {
  /// Outputs of the head.
  fileprivate var count: Int {
    switch self {
    case .classes(let names), .labelSets(let names): names.count
    case .regression: 1
    case .unnamed(let count): count
    }
  }
}
