import Adapters
import Autograd
import Kernels
import Models

/// Everything that training changes: the sharing table, every distinct tensor once, the optimiser's moments, ASLoRA's
/// running means and the step. Together with the config this is a run's whole state, since randomness is counted.
public struct TrainableState: Sendable {
  /// Which A and B every adapted map uses.
  public private(set) var table: SiteTable
  /// The head's tensors.
  public let head: [HeadParameter]
  /// Optimiser steps done, those that were skipped included.
  public var step = 0
  /// Steps that changed nothing because their numbers were not finite.
  public internal(set) var skippedSteps = 0
  /// ASLoRA's means of every distinct B.
  public private(set) var means = RunningMeans()
  /// The numbers of every tensor.
  public private(set) var values: FloatStorage
  private(set) var firstMoments: FloatStorage
  private(set) var secondMoments: FloatStorage
  private var references: [TensorKey: ParameterReference]
  /// Where the head's tensors lie, in the order of `head`.
  public private(set) var headReferences: [ParameterReference]

  /// A state of zeros. `fill` and `fillHead` give it its start.
  public init(table: SiteTable, head: [HeadParameter]) {
    self.table = table
    self.head = head
    (references, headReferences) = Self.layOut(table, head)
    let count = Self.count(references, headReferences)
    values = FloatStorage(zeros: count)
    firstMoments = FloatStorage(zeros: count)
    secondMoments = FloatStorage(zeros: count)
  }

  /// A fresh start: A kaiming-uniform with a = √5, that is U(−1/√in, 1/√in); B zero, so that the first forward pass
  /// equals the base model's (papers.md, as in PEFT). Each tensor's numbers depend on its name and the seed only.
  public mutating func initializeAdapter(philox: Philox) {
    for key in table.tensors where key.side == .a {
      let shape = table.shape(key)
      self[key] = philox.uniform(
        shape[0] * shape[1], bound: 1 / Float(shape[1]).squareRoot(), stream: table.initialisationKey(key))
    }
  }

  /// The numbers of an adapter tensor, row by row.
  public subscript(key: TensorKey) -> [Float] {
    get { references[key].map { values[$0.range] } ?? [] }
    set {
      guard let reference = references[key] else { preconditionFailure("\(key) is not in the table") }
      values[reference.range] = newValue
    }
  }

  /// The numbers of the head's tensor number `index`.
  public subscript(head index: Int) -> [Float] {
    get { values[headReferences[index].range] }
    set { values[headReferences[index].range] = newValue }
  }

  /// Numbers that are trained.
  public var parameterCount: Int { values.count }

  /// The adapter of every map of `sites` (a model's whole geometry), for the model's forward code.
  public func adapters(sites: [Site], scale: Double, dropout: Double) -> [LowRankAdapter?] {
    sites.enumerated().map { index, site in
      guard let position = table.position(ofPath: site.path),
        let a = references[table.key(.a, ofSiteAt: position)], let b = references[table.key(.b, ofSiteAt: position)]
      else { return nil }
      return LowRankAdapter(
        a: a, b: b, scale: Float(scale), dropout: Float(dropout), dropoutSite: DropoutPlace.adapter(site: index))
    }
  }

  /// Runs of numbers and whether weight decay acts on them: adapters and matrices yes, biases no.
  var decayRanges: [(range: Range<Int>, decays: Bool)] {
    var ranges: [(range: Range<Int>, decays: Bool)] = []
    let adapterCount = references.values.map(\.count).reduce(0, +)
    if adapterCount > 0 { ranges.append((0..<adapterCount, true)) }
    for (parameter, reference) in zip(head, headReferences) { ranges.append((reference.range, parameter.decays)) }
    return ranges
  }

  /// A tensor's AdamW moments, for tests and checkpoints.
  func moments(_ key: TensorKey) -> (first: [Float], second: [Float])? {
    references[key].map(moments)
  }

  /// The same of the head's tensor number `index`.
  func moments(head index: Int) -> (first: [Float], second: [Float]) { moments(headReferences[index]) }

  private func moments(_ reference: ParameterReference) -> (first: [Float], second: [Float]) {
    (firstMoments[reference.range], secondMoments[reference.range])
  }

  /// Puts back what `moments` gave.
  mutating func restoreMoments(_ key: TensorKey, first: [Float], second: [Float]) {
    guard let reference = references[key] else { preconditionFailure("\(key) is not in the table") }
    (firstMoments[reference.range], secondMoments[reference.range]) = (first, second)
  }

  /// The same for the head's tensor number `index`.
  mutating func restoreMoments(head index: Int, first: [Float], second: [Float]) {
    let range = headReferences[index].range
    (firstMoments[range], secondMoments[range]) = (first, second)
  }

  /// Puts back ASLoRA's means.
  mutating func restoreMeans(_ means: RunningMeans) { self.means = means }

  /// Whether every number that is trained is finite.
  var isFinite: Bool { UnsafeBufferPointer(start: values.base, count: values.count).allSatisfy(\.isFinite) }

  /// The keys that have numbers and moments.
  var storedKeys: Set<TensorKey> { Set(references.keys) }

  /// Where an adapter tensor lies.
  func reference(_ key: TensorKey) -> ParameterReference? { references[key] }

  // MARK: - ASLoRA

  /// Takes the B's after an optimiser step into the running means.
  mutating func updateMeans() {
    var means = means
    means.update(table) { self[$0] }
    self.means = means
  }

  /// ASLoRA's merge after the present step: one for every module type (arXiv 2412.10135). Returns what was merged.
  mutating func merge(plan: ASLoRAPlan) -> [MergeEvent] {
    var events: [MergeEvent] = []
    for module in table.modules {
      guard
        let event = plan.nextMerge(module: module, step: step, table: table, means: means, a: { self[$0] })
      else { continue }
      if plan.direction == .average {
        self[event.upper] = zip(self[event.lower], self[event.upper]).map { ($0 + $1) / 2 }
      }
      table.mergeB(module: module, lowerLayer: event.lowerLayer, upperLayer: event.upperLayer)
      means.merge(event, direction: plan.direction)
      events.append(event)
    }
    if !events.isEmpty { compact() }
    return events
  }

  /// Lays the storages out anew after tensors have gone, and carries values and moments over.
  private mutating func compact() {
    let (newReferences, newHead) = Self.layOut(table, head)
    let count = Self.count(newReferences, newHead)
    var moves = newReferences.compactMap { key, to in references[key].map { (from: $0.range, to: to.range) } }
    moves += zip(headReferences, newHead).map { ($0.range, $1.range) }
    func moved(_ old: FloatStorage) -> FloatStorage {
      let new = FloatStorage(zeros: count)
      for move in moves { new[move.to] = old[move.from] }
      return new
    }
    values = moved(values)
    firstMoments = moved(firstMoments)
    secondMoments = moved(secondMoments)
    (references, headReferences) = (newReferences, newHead)
  }

  // MARK: - Layout

  /// All A's, layer by layer, so that the A's of maps that read the same input are neighbours and multiply as one
  /// matrix; then all B's; then the head.
  private static func layOut(
    _ table: SiteTable, _ head: [HeadParameter]
  ) -> ([TensorKey: ParameterReference], [ParameterReference]) {
    let order = table.tensors.enumerated().sorted { left, right in
      let (l, r) = (left.element, right.element)
      return (l.side == .a ? 0 : 1, l.layer ?? -1, left.offset) < (r.side == .a ? 0 : 1, r.layer ?? -1, right.offset)
    }
    var offset = 0
    func place(_ rows: Int, _ columns: Int) -> ParameterReference {
      defer { offset += rows * columns }
      return ParameterReference(offset: offset, rows: rows, columns: columns)
    }
    var references: [TensorKey: ParameterReference] = [:]
    for (_, key) in order {
      let shape = table.shape(key)
      references[key] = place(shape[0], shape[1])
    }
    return (references, head.map { place($0.rows, $0.columns ?? 1) })
  }

  private static func count(_ tensors: [TensorKey: ParameterReference], _ head: [ParameterReference]) -> Int {
    tensors.values.map(\.count).reduce(0, +) + head.map(\.count).reduce(0, +)
  }
}

extension TrainableState {
  /// A copy that shares no memory with this one.
  public func snapshot() -> TrainableState {
    var copy = self
    copy.values = values.copy()
    copy.firstMoments = firstMoments.copy()
    copy.secondMoments = secondMoments.copy()
    return copy
  }
}
