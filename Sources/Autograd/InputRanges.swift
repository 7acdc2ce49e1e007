import CKernels
import Kernels

/// The largest magnitudes of every input of linear maps, over the tokens of a forward pass.
public final class InputRanges {
  /// Maps that read one x, and max |x_j| of its columns [in].
  public struct Group: Sendable {
    /// The numbers of the maps among the model's.
    public let sites: [Int]
    /// max |x_j|; a NaN where one was seen.
    public fileprivate(set) var largest: [Float]
  }

  /// The groups in the order in which they were first seen.
  public private(set) var groups: [Group] = []

  /// Nothing seen yet.
  public init() {}

  /// The groups of several passes, with the largest of each.
  public static func merged(_ passes: [[Group]]) -> [Group] {
    var merged: [Group] = []
    for group in passes.joined() {
      guard let place = merged.firstIndex(where: { $0.sites == group.sites }) else {
        merged.append(group)
        continue
      }
      for (column, value) in group.largest.enumerated() {
        merged[place].largest[column] = max(merged[place].largest[column], value)
      }
    }
    return merged
  }

  func note(_ maps: [AdaptedLinear], _ x: Tensor) {
    let sites = maps.compactMap(\.site)
    guard !sites.isEmpty, x.precision == .float32, x.buffer.computes else { return }
    let place = groups.firstIndex { $0.sites == sites } ?? groups.count
    if place == groups.count { groups.append(Group(sites: sites, largest: [Float](repeating: 0, count: x.columns))) }
    groups[place].largest.withUnsafeMutableBufferPointer { largest in
      guard let largest = largest.baseAddress else { return }
      for row in 0..<x.rows { ck_max_magnitudes(largest, x.row(row), x.columns) }
    }
  }
}
