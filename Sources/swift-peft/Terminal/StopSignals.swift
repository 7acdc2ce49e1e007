import Foundation
import Synchronization

/// SIGINT and SIGTERM: a verb that writes files stops after its step and finishes them; a second signal, and a signal
/// to any other verb, ends the process at once. All leave with 128 + the signal's number.
enum StopSignals {
  /// The first signal since `deferStops`; 0 for none.
  private static let received = Atomic<Int32>(0)
  private static let isDeferring = Atomic<Bool>(false)

  /// Takes over both signals, and ignores SIGPIPE: writing to a closed pipe then gives an error.
  static func install() {
    // A handler may not be the first to touch a lazy global.
    _ = (received.load(ordering: .relaxed), isDeferring.load(ordering: .relaxed))
    signal(SIGPIPE, SIG_IGN)
    signal(SIGINT, handler)
    signal(SIGTERM, handler)
    // A parent's mask is inherited, and one that blocks these would make the process deaf.
    var both = sigset_t()
    sigemptyset(&both)
    sigaddset(&both, SIGINT)
    sigaddset(&both, SIGTERM)
    pthread_sigmask(SIG_UNBLOCK, &both, nil)
  }

  /// From now on the first signal is left to `pending`.
  static func deferStops() { isDeferring.store(true, ordering: .sequentiallyConsistent) }

  /// The signal that asks the verb to stop, or nil.
  static var pending: Int32? {
    let number = received.load(ordering: .sequentiallyConsistent)
    return number == 0 ? nil : number
  }

  private static let handler: @convention(c) (Int32) -> Void = { number in
    let isFirst = received.exchange(number, ordering: .sequentiallyConsistent) == 0
    if !isFirst || !isDeferring.load(ordering: .sequentiallyConsistent) { _exit(128 + number) }
  }
}
