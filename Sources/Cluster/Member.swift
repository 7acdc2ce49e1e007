import Foundation
import Kernels

/// One process of a cluster.
public struct Member: Sendable, Equatable {
  /// Its number, from 0.
  public var rank: Int
  /// The name of its host.
  public var host: String
  /// The processors that it may use, by the host's numbers.
  public var processors: [Int]
  /// The processors that its host has.
  public var hostProcessors: Int

  /// A process by itself: this one.
  public static var current: Member {
    Member(
      rank: 0, host: hostName(), processors: ProcessorCount.allowed,
      hostProcessors: ProcessInfo.processInfo.processorCount)
  }

  /// `rank 2 on n3`
  public var name: String { "rank \(rank) on \(host)" }
}

extension [Member] {
  /// `rank 2 on n3`, or `ranks 1, 2, 3 and 5 others`.
  var named: String {
    if count == 1 { return self[0].name }
    let shown = prefix(count > 4 ? 3 : 4).map { String($0.rank) }, rest = count - shown.count
    return "ranks "
      + (rest > 0
        ? shown.joined(separator: ", ") + " and \(rest) others"
        : shown.dropLast().joined(separator: ", ") + " and " + shown[shown.count - 1])
  }
}
