import Foundation
import Synchronization

/// SIGINT, SIGTERM and SIGHUP: a verb that writes files stops after its current step and finishes them. A second signal,
/// or a signal to any other verb, ends the process immediately. The exit status is 128 + the signal's number.
///
/// A closing terminal may send SIGHUP several times, so SIGHUP never counts as the second signal.
enum StopSignals {
  /// The first signal since `deferStops`; 0 if none.
  private static let received = Atomic<Int32>(0)
  private static let isDeferring = Atomic<Bool>(false)

  /// Installs the handlers, and ignores SIGPIPE and SIGXFSZ: writing to a closed pipe, or beyond the file size limit,
  /// then fails with an error instead.
  static func install() {
    // A handler must not be the first to access a lazy global.
    _ = (received.load(ordering: .relaxed), isDeferring.load(ordering: .relaxed))
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    signal(SIGINT, handler)
    signal(SIGTERM, handler)
    if !isIgnored(SIGHUP) { signal(SIGHUP, handler) }
    // The signal mask is inherited; a parent may have blocked these.
    var all = sigset_t()
    sigemptyset(&all)
    for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&all, number) }
    pthread_sigmask(SIG_UNBLOCK, &all, nil)
  }

  /// `nohup` starts programs with SIGHUP ignored, which must stay so.
  private static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    guard sigaction(number, nil, &action) == 0 else { return false }
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  /// From now on, the first signal only sets `pending`.
  static func deferStops() { isDeferring.store(true, ordering: .sequentiallyConsistent) }

  /// The signal to stop for, or nil.
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
