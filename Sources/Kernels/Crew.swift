import Dispatch
import Foundation
import Synchronization

/// Threads that help the one that calls `run`, for work so short that to wake a sleeping thread would take as long.
///
/// A helper that has nothing to do looks for work for a while before it sleeps; one that comes too late, since the
/// machine is busy with something else, is not waited for.
final class Crew: Sendable {
  private let board = Board()
  private let helpers: Int

  /// Starts `helpers` threads; they end with the crew.
  init(helpers: Int) {
    self.helpers = helpers
    for _ in 0..<helpers { Thread.detachNewThread { [board] in board.help() } }
  }

  deinit { board.dismiss(helpers) }

  /// Calls `body(0)` here, and beside it `body` with numbers from 1 to `helpers`, each at most once, on helpers that have
  /// time; returns when all that were begun have ended. One call at a time.
  func run(helpers wanted: Int, _ body: (_ member: Int) -> Void) {
    withoutActuallyEscaping(body) { board.share(min(helpers, wanted), $0) }
  }
}

/// What a crew and its helpers tell each other.
private final class Board: @unchecked Sendable {
  /// Nanoseconds of looking before a thread sleeps: some operations of a model that are not shared, and little beside
  /// a time slice.
  private static let patience: UInt64 = 200_000

  /// Places at the work that are still free; `body` is written before they are offered, and they are taken back before
  /// it is written again.
  private let places = Atomic(0)
  private var body: ((_ member: Int) -> Void)?
  /// Helpers that have ended their part of the present work.
  private let ended = Atomic(0)
  private let dismissed = Atomic(false)

  /// Helpers that sleep or are about to.
  private let sleeping = Atomic(0)
  private let wake = DispatchSemaphore(value: 0)
  /// Whether the caller sleeps, or is about to.
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

  /// Takes back that this helper sleeps; false where the caller has seen it and wakes it, which must not be left over.
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

  /// A place of its own at the work, counted from 1.
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

  /// Apart, so that the closure is let go before the end is reported.
  @inline(never) private func work(_ member: Int) { body?(member) }

  /// Looks until `condition` holds; false when it did not in time.
  private static func watch(_ condition: () -> Bool) -> Bool {
    if condition() { return true }
    let end = DispatchTime.now().uptimeNanoseconds + patience
    repeat {
      if condition() { return true }
    } while DispatchTime.now().uptimeNanoseconds < end
    return false
  }
}
