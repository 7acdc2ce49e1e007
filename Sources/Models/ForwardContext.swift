import Autograd

/// Token ids of a shard: whole sequences end to end.
public struct PackedTokens: Sendable {
  /// Token ids, N of them.
  public let ids: [Int32]
  /// 0 for the first sentence, 1 for the second.
  public let typeIDs: [Int32]
  /// Where each sequence lies.
  public let layout: PackedLayout

  /// Packs `sequences`; `examples` numbers them within the step. `isPadded` is as for `PackedLayout`.
  public init(_ sequences: [(ids: [Int32], typeIDs: [Int32])], examples: [Int], isPadded: Bool = true) {
    ids = sequences.flatMap(\.ids)
    typeIDs = sequences.flatMap(\.typeIDs)
    layout = PackedLayout(lengths: sequences.map(\.ids.count), examples: examples, isPadded: isPadded)
  }
}

/// What a model's forward code needs beside its frozen weights: the tape, and what is trained at present.
public struct ForwardContext {
  /// Records the operations.
  public let tape: Tape
  /// For each linear map of the model, numbered as in its geometry, the adapter it has.
  public let adapters: [LowRankAdapter?]
  /// The head's tensors, in the order of `HeadParameter.all`.
  public let head: [ParameterReference]
  /// A decoder's earlier tokens, which these go on from; nil while training.
  public let cache: KeyValueCache?
  /// Whether blocks make their activations again for the backward pass instead of keeping them.
  public let recomputes: Bool
  private let afterBlock: (() -> Void)?

  /// A context for one shard. `afterBlock` is called whenever a block is done.
  public init(
    tape: Tape, adapters: [LowRankAdapter?], head: [ParameterReference], cache: KeyValueCache? = nil,
    recomputes: Bool = false, afterBlock: (() -> Void)? = nil
  ) {
    self.recomputes = recomputes
    self.afterBlock = afterBlock
    self.tape = tape
    self.adapters = adapters
    self.head = head
    self.cache = cache
  }

  /// `block` of the inputs, with its activations kept or made again as the run asks. `sites` are the maps in it.
  func block(
    _ inputs: [Tensor], sites: [Int], _ block: @escaping ([Tensor], ForwardContext) -> [Tensor]
  ) -> [Tensor] {
    defer { afterBlock?() }
    guard recomputes else { return block(inputs, self) }
    return tape.recomputing(inputs, trains: sites.contains { adapters[$0] != nil }) { [adapters, head] tape, inputs in
      block(inputs, ForwardContext(tape: tape, adapters: adapters, head: head))
    }
  }

  /// Maps of x with their adapters; of single tokens without padding, in the way that reads each weight once.
  func linear(_ x: Tensor, _ maps: [AdaptedLinear]) -> [Tensor] {
    x.layout.isPadded ? tape.linear(x, maps) : tape.linearOfFew(x, maps)
  }

  /// One map of x.
  func linear(_ x: Tensor, _ map: AdaptedLinear) -> Tensor { linear(x, [map])[0] }

  /// `slot`'s map with its adapter. A map that several layers share drops other numbers in each `use`.
  func adapted(_ slot: LinearSlot, addsBias: Bool = true, use: Int = 0) -> AdaptedLinear {
    let adapter = adapters[slot.site]
    return AdaptedLinear(
      slot.linear, adapter: use == 0 ? adapter : adapter?.dropping(at: DropoutPlace.again(adapter, use)),
      addsBias: addsBias, site: slot.site)
  }
}

extension ForwardContext {
  /// The parts with their adapters, or with their rows of the whole's.
  func adapted(_ slot: FusedSlot) -> [AdaptedLinear] {
    var first = 0
    return slot.parts.map { part in
      let rows = first..<(first + part.linear.outFeatures)
      first = rows.upperBound
      return AdaptedLinear(
        part.linear, adapter: adapters[part.site] ?? slot.whole.flatMap { adapters[$0]?.outputs(rows) }, site: part.site
      )
    }
  }
}

extension PackedLayout {
  /// 0, 1, 2, … within each sequence.
  var positions: [Int32] { (0..<sequences).flatMap { 0..<Int32(range($0).count) } }
}

/// Queries, keys and values: maps of their own, or a frozen map whose output is several maps' side by side, each of
/// which can be adapted by itself, or all as one.
struct FusedSlot: Sendable {
  let parts: [LinearSlot]
  /// The number of the whole among the model's sites; nil for maps of their own.
  let whole: Int?

  var sites: [Int] { parts.map(\.site) + [whole].compactMap { $0 } }
}

/// A frozen linear map and its number among the model's sites.
struct LinearSlot: Sendable {
  let linear: FrozenLinear
  let site: Int
}

/// Numbers the places of a model where dropout acts, so that each has random numbers of its own.
public enum DropoutPlace {
  static let embeddings = 0
  static let classifierInput = 1
  static let classifierHidden = 2
  static let convolution = 3
  static func attention(layer: Int) -> Int { 16 + 4 * layer }
  static func attentionOutput(layer: Int) -> Int { 17 + 4 * layer }
  static func output(layer: Int) -> Int { 18 + 4 * layer }
  static func inner(layer: Int) -> Int { 19 + 4 * layer }
  /// Dropout on DeBERTa's embedding of relative positions.
  static func relativePositions(layer: Int) -> Int { inner(layer: layer) }
  /// Another use of an adapter's dropout.
  static func again(_ adapter: LowRankAdapter?, _ use: Int) -> Int { (adapter?.dropoutSite ?? 0) + use << 20 }
  /// Dropout on the input of the adapter of site `site`.
  public static func adapter(site: Int) -> Int { 0x10000 + site }
}
