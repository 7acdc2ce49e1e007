import Diagnostics
import Foundation

/// The processes that train one model together, one of which is this one.
///
/// What they do together they do in the same order: each call below is made by all ranks, on the main thread, and returns
/// when the others have made it too. `Cluster.alone` is a process by itself, for which every call returns at once.
public final class Cluster: Sendable {
  /// A process by itself.
  public static let alone = Cluster(Alone(), members: [.current])

  /// The processes, by rank.
  public let members: [Member]
  /// Notes for the user.
  public let notices: [String]
  /// The library of MPI; nil alone.
  public let library: ClusterLibrary?
  private let transport: any Transport
  private let watchdog: Watchdog?

  /// The number of this process, from 0.
  public var rank: Int { transport.rank }
  /// The number of processes.
  public var size: Int { transport.size }
  /// Whether there is only one process.
  public var isAlone: Bool { size == 1 }
  /// Whether this is the process that writes files, the database and the terminal.
  public var leads: Bool { rank == 0 }
  /// This process.
  public var me: Member { members[rank] }

  /// The cluster behind `transport`, whose processes are `members`.
  public convenience init(_ transport: any Transport, members: [Member], notices: [String] = []) {
    self.init(transport, members: members, notices: notices, watchdog: nil, library: nil)
  }

  init(
    _ transport: any Transport, members: [Member], notices: [String], watchdog: Watchdog?, library: ClusterLibrary?
  ) {
    (self.transport, self.members, self.notices) = (transport, members, notices)
    (self.watchdog, self.library) = (watchdog, library)
  }

  /// The bytes of every rank, by rank.
  public func gather(_ bytes: [UInt8]) -> [[UInt8]] {
    if isAlone { return [bytes] }
    let lengths = gather(fixed: withUnsafeBytes(of: bytes.count) { Array($0) }).map { length in
      length.withUnsafeBytes { $0.loadUnaligned(as: Int.self) }
    }
    var all = [UInt8](repeating: 0, count: lengths.reduce(0, +))
    bytes.withUnsafeBytes { bytes in
      all.withUnsafeMutableBytes { transport.gather(bytes, into: $0, counts: lengths) }
    }
    var start = 0
    return lengths.map { length in
      defer { start += length }
      return Array(all[start..<(start + length)])
    }
  }

  /// The same for records that are equally long everywhere.
  public func gather(fixed record: [UInt8]) -> [[UInt8]] {
    if isAlone { return [record] }
    let counts = [Int](repeating: record.count, count: size)
    var all = [UInt8](repeating: 0, count: record.count * size)
    record.withUnsafeBytes { record in
      all.withUnsafeMutableBytes { transport.gather(record, into: $0, counts: counts) }
    }
    return (0..<size).map { Array(all[($0 * record.count)..<(($0 + 1) * record.count)]) }
  }

  /// Rank 0's bytes.
  public func broadcast(_ bytes: [UInt8]) -> [UInt8] {
    if isAlone { return bytes }
    var length = bytes.count
    withUnsafeMutableBytes(of: &length) { transport.broadcast($0) }
    var result = leads ? bytes : [UInt8](repeating: 0, count: length)
    // MPI counts in 32 bits.
    let most = 1 << 30
    result.withUnsafeMutableBytes { bytes in
      for start in stride(from: 0, to: length, by: most) {
        transport.broadcast(UnsafeMutableRawBufferPointer(rebasing: bytes[start..<min(start + most, length)]))
      }
    }
    return result
  }

  /// Whether rank 0 says yes.
  public func broadcast(_ answer: Bool) -> Bool { broadcast([answer ? 1 : 0]) == [1] }

  /// Rank 0's number.
  public func broadcast(number: Int64) -> Int64 {
    withUnsafeBytes(of: number) { broadcast(Array($0)) }.withUnsafeBytes { $0.loadUnaligned(as: Int64.self) }
  }

  /// Notes that step `number`, from 1, begins, for the message of a rank that waits too long.
  public func mark(step number: Int) { watchdog?.mark(.step(number)) }

  /// Runs `body`, in which ranks may wait for each other as long as they want: for a download, say.
  public func patiently<Value>(_ body: () throws -> Value) rethrows -> Value {
    try watchdog?.unwatched(body) ?? body()
  }

  /// Waits for all.
  public func wait() { _ = gather(fixed: [0]) }

  /// Runs `body` here as everywhere. If it throws on any rank, throws `ClusterFailure` on all of them; alone, what `body`
  /// threw.
  public func together<Value>(_ body: () throws -> Value) throws -> Value {
    if isAlone { return try body() }
    let result = Result { try body() }
    var report: [UInt8] = []
    if case .failure(let error) = result {
      let known = error as? any UserFacingError
      let status = UInt8(clamping: (known?.exitStatus ?? .internalError).rawValue)
      report = [status] + Array((known?.description ?? "internal error: \(error)").utf8)
    }
    let failures = gather(report).enumerated().filter { !$0.element.isEmpty }
    guard let first = failures.first else { return try result.get() }
    throw ClusterFailure(
      status: ExitStatus(rawValue: Int32(first.element[0])) ?? .internalError,
      messages: failures.map { (members[$0.offset], String(decoding: $0.element.dropFirst(), as: UTF8.self)) },
      ranks: size)
  }

  /// Ends all processes with `status`. Alone, ends this one.
  public func abort(_ status: Int32) -> Never { transport.abort(status) }

  /// Ends the connection with the others; nothing may be called after it.
  public func finish() { transport.finish() }

  /// Moves bytes for `GradientExchange`.
  var bytes: any Transport { transport }
}

/// A marker: every rank throws this error at the same place, so that the job can end in order.
public protocol CommonError: UserFacingError {}

/// Something that went wrong on some of the ranks while all did the same.
public struct ClusterFailure: CommonError, Equatable {
  /// The status of the first rank that failed.
  public let exitStatus: ExitStatus
  /// Each message once, with who had it unless all did.
  public let description: String

  init(status: ExitStatus, messages: [(member: Member, text: String)], ranks: Int) {
    exitStatus = status
    var texts: [String] = []
    for (_, text) in messages where !texts.contains(text) { texts.append(text) }
    description = texts.map { text in
      let who = messages.filter { $0.text == text }.map(\.member)
      return who.count == ranks ? text : "\(who.named): \(text)"
    }.joined(separator: "\n")
  }
}

/// A cluster of one.
private struct Alone: Transport {
  var rank: Int { 0 }
  var size: Int { 1 }
  func exchange(
    _ bytes: UnsafeRawBufferPointer, counts: [Int], into result: UnsafeMutableRawBufferPointer, received: [Int]
  ) { result.copyMemory(from: bytes) }
  func gather(_ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer, counts: [Int]) {
    result.copyMemory(from: bytes)
  }
  func broadcast(_ bytes: UnsafeMutableRawBufferPointer) {}
  func abort(_ status: Int32) -> Never { exit(status) }
  func finish() {}
}
