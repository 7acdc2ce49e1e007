import Dispatch
import Synchronization

/// One worker for each core. A worker takes whole shards through forward and backward, alone, with single-threaded
/// kernels and memory of its own; if there is only one shard, the threads share its operations instead.
///
/// Gradients of shards are added along a `ShardTree`, so sums have the same bits at any number of threads.
public final class WorkerPool: Sendable {
  /// How many shards are worked on at once.
  public let threads: Int
  private let workspaces = Mutex<[Box<Workspace>]>([])
  /// Teams for a lone shard: kept, with their threads and the products that they have compiled.
  private let teams = Mutex<[Box<Team>]>([])
  /// Gradient storages between two steps.
  private let storages = Mutex<[FloatStorage]>([])

  /// What is handed from thread to thread, never shared.
  private struct Box<Value>: @unchecked Sendable {
    let value: Value
  }

  /// A pool of `threads` workers.
  public init(threads: Int) { self.threads = max(1, threads) }

  /// Bytes of activations at their peak, over all workers.
  public var peakBytes: Int {
    workspaces.withLock { $0.map(\.value.peakBytes).reduce(0, +) }
  }

  /// Floating-point operations of all products so far, over all workers.
  public var operations: Double {
    workspaces.withLock { $0.map(\.value.products.operations).reduce(0, +) }
  }

  /// Those of oneDNN by the name of its code for them, over all workers.
  public var implementations: [String: Double] {
    let own = workspaces.withLock { $0.map(\.value.products.implementations) }
    let shared = teams.withLock { $0.map(\.value.implementations) }
    return (own + shared).reduce(into: [:]) { $0.merge($1, uniquingKeysWith: +) }
  }

  /// Runs `work` for every index, several at a time; results come in index order.
  public func map<Result: Sendable>(_ count: Int, _ work: @escaping @Sendable (Int, Workspace) -> Result) -> [Result] {
    map(count, while: { true }, work) ?? []
  }

  /// The same, as long as `mayContinue`, which the calling thread asks first and after each index that it took. Nil if it
  /// said no: then the indices at work were finished and no others begun.
  public func map<Result: Sendable>(
    _ count: Int, while mayContinue: () -> Bool, _ work: @escaping @Sendable (Int, Workspace) -> Result
  ) -> [Result]? {
    let queue = WorkQueue<Result>(count: count)
    let share: @Sendable (Workspace) -> Void = { workspace in
      while let index = queue.take() { queue.finish(index, work(index, workspace)) }
    }
    // Asked before the other workers begin, which might else take all indices first.
    guard queue.continues(mayContinue()) else { return nil }
    forEachWorker(atMost: count, isLone: count == 1, others: share) { workspace in
      while let index = queue.take() {
        queue.finish(index, work(index, workspace))
        guard queue.continues(mayContinue()) else { return }
      }
    }
    return queue.results
  }

  /// `transform` of every element, in order, on all workers.
  public func map<Element: Sendable, Result: Sendable>(
    each elements: [Element], chunk: Int = 64, _ transform: @escaping @Sendable (Element) -> Result
  ) -> [Result] {
    map((elements.count + chunk - 1) / chunk) { index, _ in
      elements[(index * chunk)..<min((index + 1) * chunk, elements.count)].map(transform)
    }.flatMap { $0 }
  }

  /// Runs `work` for the shards in `span` of the tree's order, each with a cleared gradient storage, and adds the
  /// storages along the tree. Results are in that order; what is left of the sums is handed to `use`, and kept for the
  /// next step after it. At most `most` shards are worked on at once, where memory is for no more storages.
  public func mapGradients<Result: Sendable>(
    _ span: Range<Int>, of tree: ShardTree, count: Int, atMost most: Int = .max,
    _ work: @escaping @Sendable (_ shard: Int, Workspace, FloatStorage) -> Result,
    use: ([ShardTree.Node: FloatStorage]) -> Void
  ) -> [Result] {
    let idle = storages.withLock { storages in
      defer { storages = [] }
      return storages.filter { $0.count == count }
    }
    let shards = Array(tree.order[span]), workers = min(threads, most, shards.count)
    let sum = TreeSum(count: count, places: shards.count, idle: idle, tree: tree, workers: workers)
    let results = Mutex([Result?](repeating: nil, count: shards.count))
    let share: @Sendable (Workspace) -> Void = { workspace in
      while let (place, storage) = sum.take() {
        let result = work(shards[place], workspace, storage)
        sum.finish(tree.leaf(shards[place]), storage)
        results.withLock { $0[place] = result }
      }
    }
    // Whether threads share the operations of a shard must not depend on how shards are divided among processes.
    forEachWorker(atMost: workers, isLone: tree.shards == 1, others: share, caller: share)
    let (nodes, free) = sum.end()
    use(nodes)
    storages.withLock { $0 = free + nodes.values }
    return results.withLock { $0.compactMap(\.self) }
  }

  /// Runs `others` on up to `count` − 1 other threads, and `caller` on this one, with a team if the work is alone.
  private func forEachWorker(
    atMost count: Int, isLone: Bool, others: @escaping @Sendable (Workspace) -> Void, caller: (Workspace) -> Void
  ) {
    guard count > 0 else { return }
    let group = DispatchGroup(), workers = min(threads, count)
    for _ in 1..<max(1, workers) {
      DispatchQueue.global(qos: .userInitiated).async(group: group) { [self] in withWorkspace(others) }
    }
    withWorkspace { workspace in
      guard isLone else { return caller(workspace) }
      let lone = teams.withLock { $0.popLast() } ?? Box(value: Team(threads: threads))
      workspace.team = lone.value
      caller(workspace)
      workspace.team = nil
      teams.withLock { $0.append(lone) }
    }
    group.wait()
  }

  private func withWorkspace(_ body: (Workspace) -> Void) {
    let box = workspaces.withLock { $0.popLast() } ?? Box(value: Workspace())
    body(box.value)
    workspaces.withLock { $0.append(box) }
  }
}

/// Hands out indices, and keeps what they gave.
private final class WorkQueue<Result: Sendable>: Sendable {
  private let count: Int
  private let state: Mutex<(next: Int, isStopped: Bool, results: [Result?])>

  init(count: Int) {
    self.count = count
    state = Mutex((0, false, [Result?](repeating: nil, count: count)))
  }

  func take() -> Int? {
    state.withLock { state in
      guard state.next < count, !state.isStopped else { return nil }
      defer { state.next += 1 }
      return state.next
    }
  }

  func finish(_ index: Int, _ result: Result) { state.withLock { $0.results[index] = result } }

  /// Stops handing out if the answer is no and something is left.
  func continues(_ answer: Bool) -> Bool {
    state.withLock { state in
      if !answer, state.next < count { state.isStopped = true }
      return !state.isStopped
    }
  }

  /// Nil if it was stopped.
  var results: [Result]? { state.withLock { $0.isStopped ? nil : $0.results.compactMap { $0 } } }
}
