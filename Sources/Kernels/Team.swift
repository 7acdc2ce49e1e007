import Dispatch
import Foundation
import Synchronization

/// Threads that share one worker's operations when a batch is a single shard, so that no core is idle.
///
/// Operations are cut by their shape alone, or into pieces whose results are independent (products of few rows), so
/// results have the same bits at any number of threads.
public final class Team {
  /// One per thread, since compiled products belong to a thread.
  private let products: [Products]
  private lazy var crew = Crew(helpers: threads - 1)

  /// The number of threads.
  public var threads: Int { products.count }

  /// A team of `threads`, including the calling one.
  public init(threads: Int) {
    products = (0..<max(1, threads)).map { _ in Products() }
  }

  /// Floating-point operations of all threads by the name of oneDNN's code for them.
  var implementations: [String: Double] {
    products.reduce(into: [:]) { $0.merge($1.implementations, uniquingKeysWith: +) }
  }

  /// The products of a thread.
  func products(of member: Int) -> Products { products[member] }

  /// Runs `body` for every piece, several at a time, and waits for all. `member` numbers the thread.
  func forEach(_ pieces: Int, _ body: (_ piece: Int, _ member: Int) -> Void) {
    let members = min(threads, pieces)
    guard members > 1 else { return (0..<pieces).forEach { body($0, 0) } }
    let next = Atomic(0)
    crew.run(helpers: members - 1) { member in
      while true {
        let piece = next.add(1, ordering: .relaxed).oldValue
        guard piece < pieces else { return }
        body(piece, member)
      }
    }
  }

  /// The same with the thread's products.
  func forEach(_ pieces: Int, _ body: (_ piece: Int, Products) -> Void) {
    forEach(pieces) { piece, member in body(piece, products[member]) }
  }
}

/// Cuts a product into pieces for a team.
enum ProductPieces {
  /// The most pieces: enough for the cores of a common machine.
  static let most = 16
  /// Products with fewer operations are not worth several threads.
  static let smallest = 8e6
  /// Pieces with fewer rows or columns run at a lower rate.
  static let narrowest = 128

  /// The numbers of a weight that a core's cache holds beside other things.
  static let largestCached = 1 << 21

  /// The fewest rows of a piece where only rows are cut.
  static let fewestRows = 16

  /// The rows of a piece of a product with a weight, of at most `pieces`, whose number its bits do not depend on; nil if the
  /// product is not cut.
  static func rows(_ m: Int, _ n: Int, _ k: Int, pieces: Int) -> Int? {
    let pieces = min(most, pieces, m / fewestRows)
    guard pieces > 1, 2 * Double(m) * Double(n) * Double(k) >= smallest else { return nil }
    return ((m + pieces - 1) / pieces + 15) / 16 * 16
  }

  /// The size of the pieces, of rows or of columns; nil if the product is not cut.
  static func cut(_ m: Int, _ n: Int, _ k: Int) -> (rows: Bool, size: Int)? {
    guard 2 * Double(m) * Double(n) * Double(k) >= smallest else { return nil }
    // Columns rather than rows: kernels rearrange B, and then each piece rearranges only its own columns.
    let byRows = n < 2 * narrowest
    let length = byRows ? m : n
    guard length >= 2 * narrowest else { return nil }
    let pieces = min(most, length / narrowest) / 2 * 2
    return (byRows, (length / pieces + 15) / 16 * 16)
  }
}

/// Threads that help the caller of `run`, for work that takes no longer than waking a sleeping thread.
///
/// An idle helper spins for a while before it sleeps. A helper that arrives too late, because the machine is busy, is
/// not waited for.
final class Crew: Sendable {
  private let board = Board()
  private let helpers: Int

  /// Starts `helpers` threads, which end with the crew.
  init(helpers: Int) {
    self.helpers = helpers
    for _ in 0..<helpers { Thread.detachNewThread { [board] in board.help() } }
  }

  deinit { board.dismiss(helpers) }

  /// Calls `body(0)` here while idle helpers call `body` with numbers from 1 to `helpers`, each at most once. Returns
  /// when all calls have ended. Only one `run` at a time.
  func run(helpers wanted: Int, _ body: (_ member: Int) -> Void) {
    withoutActuallyEscaping(body) { board.share(min(helpers, wanted), $0) }
  }
}

/// The state that a crew shares with its helpers.
private final class Board: @unchecked Sendable {
  /// Nanoseconds of spinning before a thread sleeps: longer than the operations between two shared ones, and short
  /// beside a time slice.
  private static let patience: UInt64 = 200_000

  /// Calls of `body` that no helper has taken. `body` changes only while this is zero.
  private let places = Atomic(0)
  private var body: ((_ member: Int) -> Void)?
  /// Helpers that have finished the current work.
  private let ended = Atomic(0)
  private let dismissed = Atomic(false)

  /// Helpers that sleep or are about to sleep.
  private let sleeping = Atomic(0)
  private let wake = DispatchSemaphore(value: 0)
  /// Whether the caller sleeps or is about to sleep.
  private let awaited = Atomic(false)
  private let finished = DispatchSemaphore(value: 0)

  func share(_ helpers: Int, _ body: @escaping (_ member: Int) -> Void) {
    self.body = body
    ended.store(0, ordering: .relaxed)
    places.store(helpers, ordering: .sequentiallyConsistent)
    wakeSleepers()
    body(0)
    let begun = helpers - places.exchange(0, ordering: .acquiringAndReleasing)
    while !Self.watch({ ended.load(ordering: .acquiring) == begun }) {
      awaited.store(true, ordering: .sequentiallyConsistent)
      if ended.load(ordering: .sequentiallyConsistent) != begun || !awaited.exchange(false, ordering: .relaxed) {
        finished.wait()
      }
    }
    self.body = nil
  }

  func help() {
    while !dismissed.load(ordering: .sequentiallyConsistent) {
      if let member = takePlace() {
        work(member)
        ended.add(1, ordering: .sequentiallyConsistent)
        if awaited.exchange(false, ordering: .sequentiallyConsistent) { finished.signal() }
      } else if !Self.watch({ isCalled }) {
        sleeping.add(1, ordering: .sequentiallyConsistent)
        if !isCalled || !isUncounted() { wake.wait() }
      }
    }
  }

  func dismiss(_ helpers: Int) {
    dismissed.store(true, ordering: .sequentiallyConsistent)
    for _ in 0..<helpers { wake.signal() }
  }

  private var isCalled: Bool {
    places.load(ordering: .sequentiallyConsistent) > 0 || dismissed.load(ordering: .sequentiallyConsistent)
  }

  /// Withdraws this helper from `sleeping`. False if the caller has already counted it; its signal must then be consumed.
  private func isUncounted() -> Bool {
    var count = sleeping.load(ordering: .relaxed)
    while count > 0 {
      let (taken, original) = sleeping.compareExchange(
        expected: count, desired: count - 1, ordering: .sequentiallyConsistent)
      if taken { return true }
      count = original
    }
    return false
  }

  private func wakeSleepers() {
    for _ in 0..<sleeping.exchange(0, ordering: .sequentiallyConsistent) { wake.signal() }
  }

  /// Takes a call of `body`: its number from 1, or nil.
  private func takePlace() -> Int? {
    var free = places.load(ordering: .relaxed)
    while free > 0 {
      let (taken, original) = places.compareExchange(
        expected: free, desired: free - 1, successOrdering: .acquiring, failureOrdering: .relaxed)
      if taken { return free }
      free = original
    }
    return nil
  }

  /// A function of its own, so that it releases the closure before the end is reported.
  @inline(never) private func work(_ member: Int) { body?(member) }

  /// Spins until `condition` holds. False if that takes too long.
  private static func watch(_ condition: () -> Bool) -> Bool {
    if condition() { return true }
    let end = DispatchTime.now().uptimeNanoseconds + patience
    repeat {
      if condition() { return true }
    } while DispatchTime.now().uptimeNanoseconds < end
    return false
  }
}
