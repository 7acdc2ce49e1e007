import Foundation
import Synchronization

/// SIGINT, SIGTERM and SIGHUP: a verb that writes files stops after its step and finishes them; a second signal, and a
/// signal to any other verb, ends the process at once. All leave with 128 + the signal's number.
///
/// A terminal that goes away may send SIGHUP several times, so that one never counts as the second.
enum StopSignals {
  /// The first signal since `deferStops`; 0 for none.
  private static let received = Atomic<Int32>(0)
  private static let isDeferring = Atomic<Bool>(false)

  /// Takes over the signals, and ignores SIGPIPE and SIGXFSZ: writing to a closed pipe, or beyond a limit on the size of
  /// files, then gives an error.
  static func install() {
    // A handler may not be the first to touch a lazy global.
    _ = (received.load(ordering: .relaxed), isDeferring.load(ordering: .relaxed))
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    signal(SIGINT, handler)
    signal(SIGTERM, handler)
    if !isIgnored(SIGHUP) { signal(SIGHUP, handler) }
    // A parent's mask is inherited, and one that blocks these would make the process deaf.
    var all = sigset_t()
    sigemptyset(&all)
    for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&all, number) }
    pthread_sigmask(SIG_UNBLOCK, &all, nil)
  }

  /// `nohup` starts programs with SIGHUP ignored, and means it.
  private static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    guard sigaction(number, nil, &action) == 0 else { return false }
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  /// From now on the first signal is left to `pending`.
  static func deferStops() { isDeferring.store(true, ordering: .sequentiallyConsistent) }

  /// The signal that asks the verb to stop, or nil.
  static var pending: Int32? {
    let number = received.load(ordering: .sequentiallyConsistent)
    return number == 0 ? nil : number
  }

  private static let handler: @convention(c) (Int32) -> Void = { number in
    let isFirst =
      received.compareExchange(expected: 0, desired: number, ordering: .sequentiallyConsistent).exchanged
    if !isFirst, number == SIGHUP { return }
    if !isFirst || !isDeferring.load(ordering: .sequentiallyConsistent) { _exit(128 + number) }
  }
}
