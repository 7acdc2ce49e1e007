import Foundation
import Synchronization
import Testing

@testable import Cluster

@Suite struct WatchdogTests {
  private static let start = SuspendingClock.now

  private func at(_ seconds: Int) -> SuspendingClock.Instant { Self.start + .seconds(seconds) }

  /// How long a wait is when it is too long, looked at every `interval` seconds.
  private func seconds(_ patience: Patience, interval: Int = 1) -> Int? {
    var patience = patience
    return (1...10_000).first { _ in patience.tick(.seconds(interval)) != nil }.map { $0 * interval }
  }

  @Test func onlyAWaitCanBeTooLong() {
    var patience = Patience(limit: .seconds(600), now: at(0))
    #expect(seconds(patience) == nil)
    patience.begin(at: at(10))
    #expect(seconds(patience) == 601)
    patience.end(at: at(11))
    #expect(seconds(patience) == nil)
    patience.begin(at: at(12))
    #expect(seconds(patience) == 601)
  }

  /// Who works for a minute between two waits may wait for twenty.
  @Test func longWorkMeansLongWaits() {
    var patience = Patience(limit: .seconds(600), now: at(0))
    patience.begin(at: at(60))
    #expect(seconds(patience) == 1201)
    patience.end(at: at(61))
    patience.begin(at: at(62))
    #expect(seconds(patience) == 1201)
  }

  /// Who has less to do than the others waits as long as they work.
  @Test func longWaitsMeanLongWaits() {
    var patience = Patience(limit: .seconds(600), now: at(0))
    patience.begin(at: at(1))
    for _ in 0..<500 { #expect(patience.tick(.seconds(1)) == nil) }
    patience.end(at: at(501))
    patience.begin(at: at(502))
    #expect(seconds(patience) == 1501)
    patience.isUnlimited = true
    #expect(seconds(patience) == nil)
  }

  /// An hour of downloading does not make a step long.
  @Test func whatWasBeforeTheStepsIsForgotten() {
    var patience = Patience(limit: .seconds(600), now: at(0))
    patience.begin(at: at(3600))
    patience.end(at: at(3700))
    patience.forget(at: at(3800))
    patience.begin(at: at(3810))
    #expect(seconds(patience) == 601)
  }

  @Test func theEnvironmentSetsTheLimit() throws {
    #expect(try Watchdog.limit(environment: [:]) == .seconds(600))
    #expect(try Watchdog.limit(environment: [Watchdog.variable: ""]) == .seconds(600))
    #expect(try Watchdog.limit(environment: [Watchdog.variable: "1800"]) == .seconds(1800))
    #expect(try Watchdog.limit(environment: [Watchdog.variable: "0.5"]) == .seconds(0.5))
    for wrong in ["0", "-1", "soon", "nan", "inf", "10 s"] {
      #expect(throws: ClusterError.badTimeout(wrong)) { try Watchdog.limit(environment: [Watchdog.variable: wrong]) }
    }
  }

  /// Every call in which the others do not come ends in the watchdog, with the step in which it was.
  @Test(arguments: Stuck.Call.allCases) func everyWaitIsWatched(call: Stuck.Call) {
    let stuck = Stuck()
    let watchdog = Watchdog(limit: .milliseconds(40)) { waited, place in
      stuck.end(waited > .milliseconds(40) ? "\(place)" : "too early")
    }
    let transport = WatchedTransport(base: stuck, watchdog: watchdog)
    let cluster = Cluster(
      transport, members: [.current, .current], notices: [], watchdog: watchdog, library: nil)
    cluster.mark(step: 841)
    switch call {
    case .gather: _ = cluster.gather(fixed: [1])
    case .broadcast: _ = cluster.broadcast([1])
    case .exchange:
      var bytes: [UInt8] = [1, 2]
      bytes.withUnsafeMutableBytes { bytes in
        transport.exchange(UnsafeRawBufferPointer(bytes), counts: [1, 1], into: bytes, received: [1, 1])
      }
    case .finish: cluster.finish()
    }
    #expect(stuck.story == (call == .finish ? "at the end" : "in step 841"))
  }
}

/// A transport to processes that never come: a call returns only when the watchdog has barked.
final class Stuck: Transport {
  enum Call: CaseIterable { case gather, broadcast, exchange, finish }

  private let barked = DispatchSemaphore(value: 0)
  private let told = Mutex("")

  var story: String { told.withLock { $0 } }

  func end(_ story: String) {
    told.withLock { $0 = story }
    barked.signal()
  }

  private func wait() {
    barked.wait()
    barked.signal()
  }

  var rank: Int { 0 }
  var size: Int { 2 }
  func exchange(
    _ bytes: UnsafeRawBufferPointer, counts: [Int], into result: UnsafeMutableRawBufferPointer, received: [Int]
  ) { wait() }
  func gather(_ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer, counts: [Int]) { wait() }
  func broadcast(_ bytes: UnsafeMutableRawBufferPointer) { wait() }
  func abort(_ status: Int32) -> Never { fatalError("ended with \(status)") }
  func finish() { wait() }
}
