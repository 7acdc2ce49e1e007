import Autograd
import Kernels
import Models

/// Everything that training changes: the sharing table, every distinct tensor once, the optimiser's moments and the
/// step. Together with the config and the method's procedure this is a run's whole state, since randomness is counted.
///
/// A value: what is written to a copy does not change the original. Copies share memory until one of them is written.
public struct TrainableState: Sendable {
  /// Which tensors every adapted map uses.
  public private(set) var table: SiteTable
  /// The head's tensors.
  public let head: [HeadParameter]
  /// Optimiser steps done, those that were skipped included.
  public var step = 0
  /// Steps that changed nothing because their numbers were not finite.
  public var skippedSteps = 0
  /// Steps that AdamW had done when a procedure let it begin anew.
  public var stepsBeforeRestart = 0
  /// All numbers, in the order of `layout`.
  public private(set) var values: FloatStorage
  private var firstMoments: FloatStorage
  private var secondMoments: FloatStorage
  private(set) var layout: StateLayout
  /// The base model's, where the method needs them.
  private let weights: BaseWeights?

  /// A state of zeros, for tensors to be filled in. `weights` are needed where the method says so.
  public init(table: SiteTable, head: [HeadParameter], weights: BaseWeights? = nil) {
    self.table = table
    self.head = head
    self.weights = weights
    layout = StateLayout(table, head)
    values = FloatStorage(zeros: layout.storageCount)
    firstMoments = FloatStorage(zeros: layout.trainedCount)
    secondMoments = FloatStorage(zeros: layout.trainedCount)
  }

  /// Numbers that are trained. They come first in `values`.
  public var parameterCount: Int { layout.trainedCount }
  /// Numbers in `values`: those that are trained, those that are not, and what a method's form makes of them.
  public var storageCount: Int { layout.storageCount }
  /// Where the head's tensors lie, in the order of `head`.
  public var headReferences: [ParameterReference] { layout.head }

  /// Gives the adapter its start: as in PEFT, A is kaiming-uniform with a = √5 and B is zero, so that the first forward
  /// pass equals the base model's. Each tensor's numbers depend on its name and the seed only, and on the base model's
  /// weights if the method says so. Throws where those have no such start.
  public mutating func initializeAdapter(philox: Philox) throws {
    for key in table.tensors where table.tensor(key).start != .zeros {
      self[key] = table.tensor(key).startValues(philox, stream: table.initialisationKey(key), alpha: table.alpha)
    }
    try startFromWeights(philox)
    completeStart(except: [])
  }

  /// Gives the tensors that follow from the others their numbers, but those of `given`.
  private mutating func completeStart(except given: Set<TensorKey>) {
    guard let last = table.method.design.lastStart else { return }
    for position in table.sites.indices {
      for (role, values) in last(tensors(ofSiteAt: position)) {
        if let key = table.key(role, ofSiteAt: position), !given.contains(key) { self[key] = values }
      }
    }
  }

  /// Gives the trained tensors the numbers again that `initializeAdapter` gave them, for a method without a start from
  /// weights.
  mutating func restartAdapter(philox: Philox) {
    for key in table.tensors where table.tensor(key).trains {
      self[key] = table.tensor(key).startValues(philox, stream: table.initialisationKey(key), alpha: table.alpha)
    }
  }

  private mutating func startFromWeights(_ philox: Philox) throws {
    guard let start = table.method.design.start else { return }
    for group in table.groups(sharing: start.roles) {
      for (role, values) in try start.values(table.startSubject(group, weights, philox)) {
        for key in Set(group.compactMap { table.key(role, ofSiteAt: $0) }) { self[key] = values }
      }
    }
  }

  /// Takes the numbers of an earlier adapter and makes of them what the method starts with. Tensors that it lacks follow from
  /// these.
  public mutating func adopt(_ adapter: [TensorKey: [Float]]) throws {
    for (key, values) in adapter { self[key] = values }
    if let adoption = table.method.design.adoption {
      for position in table.sites.indices {
        for (role, values) in try adoption(tensors(ofSiteAt: position)) {
          if let key = table.key(role, ofSiteAt: position) { self[key] = values }
        }
      }
    }
    if table.tensors.contains(where: { adapter[$0] == nil }) { completeStart(except: Set(adapter.keys)) }
  }

  /// Where an adapter tensor lies in `values`; nil if it is not in the table.
  public func reference(_ key: TensorKey) -> ParameterReference? { layout.tensors[key] }

  /// The numbers of an adapter tensor, row by row.
  public subscript(key: TensorKey) -> [Float] {
    get { layout.tensors[key].map { values[$0.range] } ?? [] }
    set {
      guard let reference = layout.tensors[key] else { preconditionFailure("\(key) is not in the table") }
      detach(&values)
      values[reference.range] = newValue
      makeProducts(at: table.users(of: key))
    }
  }

  /// The numbers of the head's tensor number `index`.
  public subscript(head index: Int) -> [Float] {
    get { values[layout.head[index].range] }
    set {
      detach(&values)
      values[layout.head[index].range] = newValue
    }
  }

  /// Gives this state a storage of its own if a copy shares it.
  private func detach(_ storage: inout FloatStorage) {
    if !isKnownUniquelyReferenced(&storage) { storage = storage.copy() }
  }

  // MARK: - The optimiser

  /// Lets `update` change the trained numbers and the moments.
  public mutating func update(
    _ update: (_ values: FloatStorage, _ firstMoments: FloatStorage, _ secondMoments: FloatStorage) -> Void
  ) {
    detach(&values)
    detach(&firstMoments)
    detach(&secondMoments)
    update(values, firstMoments, secondMoments)
    makeProducts(at: Array(table.sites.indices))
  }

  /// Ranges of trained numbers, whether weight decay acts on them (adapters and matrices yes, biases no), and their
  /// learning rate in units of the run's.
  public var parameterGroups: [(range: Range<Int>, decays: Bool, rateFactor: Double)] {
    let vectorRate = table.method.design.vectorRateFactor
    return layout.adapterRates.map { ($0.range, true, $0.factor) }
      + zip(head, layout.head).map { ($1.range, $0.decays, $0.shape.count == 1 ? vectorRate : 1) }
  }

  /// A trained tensor's AdamW moments; nil for one that is not trained.
  public func moments(_ key: TensorKey) -> (first: [Float], second: [Float])? {
    guard let reference = layout.tensors[key], reference.offset < layout.trainedCount else { return nil }
    return moments(reference)
  }

  /// The same of the head's tensor number `index`.
  public func moments(head index: Int) -> (first: [Float], second: [Float]) { moments(layout.head[index]) }

  private func moments(_ reference: ParameterReference) -> (first: [Float], second: [Float]) {
    (firstMoments[reference.range], secondMoments[reference.range])
  }

  /// AdamW's steps so far, with which it corrects the bias of its moments.
  public var optimizerSteps: Int { step - skippedSteps - stepsBeforeRestart }

  /// Lets AdamW begin anew.
  mutating func restartOptimizer() {
    firstMoments = FloatStorage(zeros: layout.trainedCount)
    secondMoments = FloatStorage(zeros: layout.trainedCount)
    stepsBeforeRestart = step - skippedSteps
  }

  /// Puts back what `moments` gave.
  public mutating func restoreMoments(_ key: TensorKey, first: [Float], second: [Float]) {
    guard let reference = layout.tensors[key] else { preconditionFailure("\(key) is not in the table") }
    restoreMoments(reference, first, second)
  }

  /// The same for the head's tensor number `index`.
  public mutating func restoreMoments(head index: Int, first: [Float], second: [Float]) {
    restoreMoments(layout.head[index], first, second)
  }

  private mutating func restoreMoments(_ reference: ParameterReference, _ first: [Float], _ second: [Float]) {
    detach(&firstMoments)
    detach(&secondMoments)
    (firstMoments[reference.range], secondMoments[reference.range]) = (first, second)
  }

  /// Whether every number that is trained is finite.
  public var isFinite: Bool {
    UnsafeBufferPointer(start: values.base, count: parameterCount).allSatisfy(\.isFinite)
  }

  /// The name of a trained tensor with NaN or infinity in it.
  public var nonFiniteTensor: String? {
    table.tensors.first { !self[$0].allSatisfy(\.isFinite) }.map { table.name(of: $0) }
      ?? head.indices.first { !self[head: $0].allSatisfy(\.isFinite) }.map { head[$0].name }
  }

  // MARK: - What the kernel multiplies

  /// The adapter of every map of `sites` (a model's whole geometry), for the model's forward code. `scale` is that of
  /// the sites which have none of their own; `probe` asks for gradients of weights.
  public func adapters(
    sites: [Site], scale: Double, dropout: Double, probe: WeightProbe? = nil
  ) -> [LowRankAdapter?] {
    sites.enumerated().map { index, site in
      guard let position = table.position(ofPath: site.path), let product = layout.product(position, table) else {
        return nil
      }
      return LowRankAdapter(
        a: product.a, b: product.b, rowScale: product.rowScale, sparse: sparse(position, product),
        weightGradient: probe?.places[position], scale: Float(table.scales[position] ?? scale),
        dropout: Float(dropout), dropoutSite: DropoutPlace.adapter(site: index))
    }
  }

  /// S of the site at `position`; nil where it is zero.
  private func sparse(_ position: Int, _ product: StateLayout.Product) -> SparseReference? {
    guard let values = product.sparse, let form = table.method.form?.sparse else { return nil }
    do throws(SparseForm.BadPlaces) {
      return try form.places(tensors(ofSiteAt: position)).map { SparseReference(places: $0, values: values) }
    } catch {
      // What files say has been checked where they were read.
      preconditionFailure("\(table.sites[position].path): the places of its sparse matrix \(error.problem)")
    }
  }

  /// Makes the products of the sites at `positions` from their tensors, if the method has a form.
  private mutating func makeProducts(at positions: [Int]) {
    guard let form = table.method.form else { return }
    var known: [TensorKey: [Float]] = [:]
    for position in positions {
      guard let product = layout.product(position, table) else { continue }
      let made = form.build(tensors(ofSiteAt: position, reusing: &known))
      values[product.a.range] = made.a
      values[product.b.range] = made.b
      if let reference = product.rowScale, let rowScale = made.rowScale { values[reference.range] = rowScale }
      if let reference = product.sparse { values[reference.range] = made.sparse }
    }
  }

  /// The tensors of the site at `position`.
  func tensors(ofSiteAt position: Int) -> SiteTensors {
    table.tensors(ofSiteAt: position, weights) { self[$0] }
  }

  /// The same for one site after another: `known` has the tensors of the last one, which are not read again.
  func tensors(ofSiteAt position: Int, reusing known: inout [TensorKey: [Float]]) -> SiteTensors {
    var own: [TensorKey: [Float]] = [:]
    let tensors = table.tensors(ofSiteAt: position, weights) { key in
      let values = known[key] ?? self[key]
      own[key] = values
      return values
    }
    known = own
    return tensors
  }

  // MARK: - Edits of the table

  /// Lets the sites that use `lower` use `upper` from now on; the lower tensor, its moments included, is dropped.
  public mutating func tie(_ pairs: [(lower: TensorKey, upper: TensorKey)]) {
    table.tie(Dictionary(pairs.map { ($0.lower, $0.upper) }) { first, _ in first })
    let old = layout
    layout = StateLayout(table, head)
    var moves = layout.tensors.compactMap { key, to in old.tensors[key].map { (from: $0.range, to: to.range) } }
    moves += zip(old.head, layout.head).map { ($0.range, $1.range) }
    func moved(_ storage: FloatStorage, _ count: Int) -> FloatStorage {
      let new = FloatStorage(zeros: count)
      for move in moves where move.to.upperBound <= count { new[move.to] = storage[move.from] }
      return new
    }
    values = moved(values, layout.storageCount)
    firstMoments = moved(firstMoments, layout.trainedCount)
    secondMoments = moved(secondMoments, layout.trainedCount)
    makeProducts(at: Array(table.sites.indices))
  }
}
