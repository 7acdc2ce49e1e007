/// How the processes of a cluster move bytes. Every call is made by all of them, in the same order, on the main thread.
public protocol Transport: Sendable {
  /// The number of this process, from 0.
  var rank: Int { get }
  /// The number of processes.
  var size: Int { get }

  /// Sends to rank r the r-th part of `bytes`, whose lengths are `counts`, and receives what the others send here, in
  /// the order of their ranks, with the lengths `received`.
  func exchange(
    _ bytes: UnsafeRawBufferPointer, counts: [Int], into result: UnsafeMutableRawBufferPointer, received: [Int])

  /// Receives the `bytes` of every rank, in the order of their ranks, with the lengths `counts`.
  func gather(_ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer, counts: [Int])

  /// Fills `bytes` everywhere with what they are on rank 0.
  func broadcast(_ bytes: UnsafeMutableRawBufferPointer)

  /// Ends all processes with `status`, whatever they are doing.
  func abort(_ status: Int32) -> Never

  /// Ends the connection; nothing may be called after it.
  func finish()
}
