import Dispatch
import Synchronization

/// One worker for each core. A worker takes whole shards through forward and backward, alone, with single-threaded
/// kernels and memory of its own; if there is only one shard, the threads share its operations instead.
///
/// Gradients of shards are added in shard order, so sums have the same bits at any number of threads.
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
    forEachWorker(atMost: count, others: share) { workspace in
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

  /// Runs `work` for every index with a cleared gradient storage, and adds the storages to `total` in index order. The
  /// storages are kept for the next step.
  public func mapGradients<Result: Sendable>(
    _ count: Int, into total: FloatStorage, _ work: @escaping @Sendable (Int, Workspace, FloatStorage) -> Result
  ) -> [Result] {
    let idle = storages.withLock { storages in
      defer { storages = [] }
      return storages.filter { $0.count == total.count }
    }
    let adder = Mutex(OrderedSum(total: total, idle: idle))
    let results = map(count) { index, workspace in
      let storage = adder.withLock { $0.takeStorage() }
      storage.clear()
      let result = work(index, workspace, storage)
      adder.withLock { $0.finish(index, storage) }
      return result
    }
    let free = adder.withLock { $0.idle }
    storages.withLock { $0 = free }
    return results
  }

  /// Runs `others` on up to `count` − 1 other threads, and `caller` on this one.
  private func forEachWorker(
    atMost count: Int, others: @escaping @Sendable (Workspace) -> Void, caller: (Workspace) -> Void
  ) {
    guard count > 0 else { return }
    let group = DispatchGroup(), workers = min(threads, count)
    for _ in 1..<max(1, workers) {
      DispatchQueue.global(qos: .userInitiated).async(group: group) { [self] in withWorkspace(others) }
    }
    withWorkspace { workspace in
      if count > 1 { return caller(workspace) }
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

/// Adds storages to a total in the order of their indices, whatever the order in which they come.
private struct OrderedSum {
  let total: FloatStorage
  var idle: [FloatStorage]
  var next = 0
  var waiting: [Int: FloatStorage] = [:]

  mutating func takeStorage() -> FloatStorage { idle.popLast() ?? FloatStorage(zeros: total.count) }

  mutating func finish(_ index: Int, _ storage: FloatStorage) {
    waiting[index] = storage
    while let storage = waiting.removeValue(forKey: next) {
      total.add(storage)
      idle.append(storage)
      next += 1
    }
  }
}
