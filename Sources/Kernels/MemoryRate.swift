import Dispatch

extension MachineRates {
  /// GB/s (10⁹ bytes a second) at which `threads` threads together read uncached memory: the best of several passes over
  /// `bytes` bytes.
  public static func measureReading(bytes: Int = 1 << 30, threads: Int, seconds: Double) -> Double {
    let workspace = Workspace()
    let count = bytes / 4 / (64 * threads) * 64
    let values = workspace.allocateZeros(count * threads).base
    values.update(repeating: 1, count: count * threads)
    let data = ReadOnlyFloats(base: values)
    return best(seconds: seconds) {
      DispatchQueue.concurrentPerform(iterations: threads) { thread in
        withExtendedLifetime(data.sum(from: thread * count, count: count)) {}
      }
      return 4 * Double(count * threads)
    }
  }
}

/// Numbers that no thread writes.
private struct ReadOnlyFloats: @unchecked Sendable {
  let base: UnsafeMutablePointer<Float>

  /// Four independent sums, so that additions do not wait for each other. `count` is a multiple of 64.
  @inline(never)
  func sum(from start: Int, count: Int) -> Float {
    let rows = UnsafeRawPointer(base + start)
    var sums = (SIMD16<Float>(), SIMD16<Float>(), SIMD16<Float>(), SIMD16<Float>())
    for offset in stride(from: 0, to: 4 * count, by: 256) {
      sums.0 += rows.loadUnaligned(fromByteOffset: offset, as: SIMD16<Float>.self)
      sums.1 += rows.loadUnaligned(fromByteOffset: offset + 64, as: SIMD16<Float>.self)
      sums.2 += rows.loadUnaligned(fromByteOffset: offset + 128, as: SIMD16<Float>.self)
      sums.3 += rows.loadUnaligned(fromByteOffset: offset + 192, as: SIMD16<Float>.self)
    }
    return (sums.0 + sums.1 + sums.2 + sums.3).sum()
  }
}
