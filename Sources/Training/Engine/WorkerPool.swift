import Dispatch
import Kernels
import Synchronization

/// One worker a core. Each takes whole shards through forward and backward, alone, with single-threaded kernels and
/// memory of its own; where there is only one shard, the threads share its operations instead.
///
/// Shards' gradients are added in shard order, so sums have the same bits at any number of threads.
public final class WorkerPool: Sendable {
  /// How many shards are worked on at once.
  public let threads: Int
  private let workspaces = Mutex<[WorkspaceBox]>([])
  private let teams = Mutex<[TeamBox]>([])

  /// A workspace that is handed from thread to thread, never shared.
  private struct WorkspaceBox: @unchecked Sendable {
    let workspace = Workspace()
  }

  /// A team for a lone shard, likewise: kept, with its threads and the products that it has compiled.
  private struct TeamBox: @unchecked Sendable {
    let team: Team
  }

  /// A pool of `threads` workers.
  public init(threads: Int) { self.threads = max(1, threads) }

  /// The number of cores that this process may use.
  public static var availableCores: Int { ProcessorCount.available }

  /// Bytes of activations at their peak, over all workers.
  public var peakBytes: Int {
    workspaces.withLock { $0.map(\.workspace.peakBytes).reduce(0, +) }
  }

  /// Floating-point operations of all products so far, over all workers.
  public var operations: Double {
    workspaces.withLock { $0.map(\.workspace.products.operations).reduce(0, +) }
  }

  /// Runs `work` for every index, several at a time; results come in index order.
  public func map<Result: Sendable>(_ count: Int, _ work: @escaping @Sendable (Int, Workspace) -> Result) -> [Result] {
    let state = Mutex((next: 0, results: [Result?](repeating: nil, count: count)))
    forEachWorker(atMost: count) { workspace in
      while let index = state.withLock({ state -> Int? in
        guard state.next < count else { return nil }
        defer { state.next += 1 }
        return state.next
      }) {
        let result = work(index, workspace)
        state.withLock { $0.results[index] = result }
      }
    }
    return state.withLock { $0.results.compactMap { $0 } }
  }

  /// Runs `work` for every index with a cleared gradient storage, and adds the storages to `total` in index order.
  public func mapGradients<Result: Sendable>(
    _ count: Int, into total: FloatStorage, _ work: @escaping @Sendable (Int, Workspace, FloatStorage) -> Result
  ) -> [Result] {
    let adder = Mutex(OrderedSum(total: total))
    return map(count) { index, workspace in
      let storage = adder.withLock { $0.takeStorage() }
      storage.clear()
      let result = work(index, workspace, storage)
      adder.withLock { $0.finish(index, storage) }
      return result
    }
  }

  private func forEachWorker(atMost count: Int, _ body: @escaping @Sendable (Workspace) -> Void) {
    let run: @Sendable () -> Void = { [self] in
      let box = workspaces.withLock { $0.popLast() } ?? WorkspaceBox()
      defer { workspaces.withLock { $0.append(box) } }
      if count > 1 { return body(box.workspace) }
      let lone = teams.withLock { $0.popLast() } ?? TeamBox(team: Team(threads: threads))
      box.workspace.team = lone.team
      body(box.workspace)
      box.workspace.team = nil
      teams.withLock { $0.append(lone) }
    }
    let workers = min(threads, count)
    if workers <= 1 {
      if workers == 1 { run() }
      return
    }
    let group = DispatchGroup()
    for _ in 1..<workers { DispatchQueue.global(qos: .userInitiated).async(group: group, execute: run) }
    run()
    group.wait()
  }
}

/// Adds storages to a total in the order of their indices, whatever the order in which they come.
private struct OrderedSum {
  let total: FloatStorage
  var next = 0
  var waiting: [Int: FloatStorage] = [:]
  var idle: [FloatStorage] = []

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
