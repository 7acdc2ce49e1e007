import Diagnostics
import Foundation
import Kernels
import Synchronization

/// Where in its work a rank is, for messages.
public enum ClusterPlace: Sendable, Equatable, CustomStringConvertible {
  /// Before the first step.
  case start
  /// In a step, from 1.
  case step(Int)
  /// After all work.
  case end

  /// `in step 841`
  public var description: String {
    switch self {
    case .start: "at the start"
    case .step(let number): "in step \(number)"
    case .end: "at the end"
    }
  }
}

/// Ends a process that waits too long for the others of its cluster.
///
/// MPI itself may wait for ever: where the cable of a host was cut, Open MPI hung until it was killed.
final class Watchdog: Sendable {
  /// The variable that replaces the default of the limit, in seconds.
  static let variable = "SWIFT_PEFT_MPI_TIMEOUT"
  private static let usualLimit = Duration.seconds(600)

  private let state: Mutex<(patience: Patience, place: ClusterPlace)>
  private let pause: Duration
  private let clock = SuspendingClock()

  /// Calls `end` with the seconds waited once a wait is too long.
  init(limit: Duration, onTooLong end: @escaping @Sendable (Duration, ClusterPlace) -> Void) {
    state = Mutex((Patience(limit: limit, now: SuspendingClock.now), .start))
    pause = min(.seconds(1), limit / 4)
    let thread = Thread { [self] in
      while true {
        Thread.sleep(forTimeInterval: pause.inSeconds)
        // A process that was stopped for hours, and all others with it, has not waited.
        let (waited, place) = state.withLock { ($0.patience.tick(pause), $0.place) }
        if let waited { return end(waited, place) }
      }
    }
    thread.start()
  }

  /// Ends this process of `launcher`.
  convenience init(limit: Duration, launcher: Launcher) {
    self.init(limit: limit) { waited, place in
      let error = ClusterError.waited(rank: launcher.rank, seconds: Int(waited.inSeconds), place: place)
      error.show()
      launcher.abandon(error.exitStatus.rawValue)
    }
  }

  /// The limit that the environment asks for. Throws a `ClusterError`.
  static func limit(environment: [String: String]) throws -> Duration {
    guard let text = environment[variable], !text.isEmpty else { return usualLimit }
    guard let seconds = Double(text), seconds > 0, seconds < 1e9 else { throw ClusterError.badTimeout(text) }
    return .seconds(seconds)
  }

  /// Watches `wait`, which returns when the others have arrived.
  func watch<Value>(_ wait: () throws -> Value) rethrows -> Value {
    state.withLock { $0.patience.begin(at: clock.now) }
    defer { state.withLock { $0.patience.end(at: clock.now) } }
    return try wait()
  }

  /// Runs `body`, in which waits may take as long as they want.
  func unwatched<Value>(_ body: () throws -> Value) rethrows -> Value {
    state.withLock { $0.patience.isUnlimited = true }
    defer {
      state.withLock {
        $0.patience.isUnlimited = false
        $0.patience.forget(at: clock.now)
      }
    }
    return try body()
  }

  /// Notes where the work is. How long it took to load everything says nothing about steps.
  func mark(_ place: ClusterPlace) {
    state.withLock { state in
      if state.place == .start { state.patience.forget(at: clock.now) }
      state.place = place
    }
  }
}

/// How long a wait may take: the limit at least, and longer where this process has shown that its work takes long.
struct Patience {
  typealias Instant = SuspendingClock.Instant

  /// Whether no wait is too long.
  var isUnlimited = false
  private let limit: Duration
  private var changed: Instant
  private var waited: Duration?
  private var longestWork = Duration.zero, longestWait = Duration.zero

  init(limit: Duration, now: Instant) { (self.limit, changed) = (limit, now) }

  /// 20 × the longest time between two waits so far. A rank that has little to do sees only that others took long.
  var most: Duration { max(limit, longestWork * 20, longestWait * 3) }

  /// Begins anew, with the limit alone.
  mutating func forget(at now: Instant) {
    (longestWork, longestWait, changed) = (.zero, .zero, now)
  }

  mutating func begin(at now: Instant) {
    longestWork = max(longestWork, now - changed)
    (changed, waited) = (now, .zero)
  }

  mutating func end(at now: Instant) {
    longestWait = max(longestWait, waited ?? .zero)
    (changed, waited) = (now, nil)
  }

  /// Adds `time` to a wait, and says how long it has been if that is too long.
  mutating func tick(_ time: Duration) -> Duration? {
    guard let before = waited else { return nil }
    waited = before + time
    return !isUnlimited && before + time > most ? before + time : nil
  }
}

/// A transport whose waits a watchdog watches.
struct WatchedTransport: Transport {
  let base: any Transport
  let watchdog: Watchdog

  var rank: Int { base.rank }
  var size: Int { base.size }

  func exchange(
    _ bytes: UnsafeRawBufferPointer, counts: [Int], into result: UnsafeMutableRawBufferPointer, received: [Int]
  ) {
    watchdog.watch { base.exchange(bytes, counts: counts, into: result, received: received) }
  }

  func gather(_ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer, counts: [Int]) {
    watchdog.watch { base.gather(bytes, into: result, counts: counts) }
  }

  func broadcast(_ bytes: UnsafeMutableRawBufferPointer) { watchdog.watch { base.broadcast(bytes) } }

  func abort(_ status: Int32) -> Never { watchdog.watch { base.abort(status) } }

  func finish() {
    watchdog.mark(.end)
    watchdog.watch { base.finish() }
  }
}
