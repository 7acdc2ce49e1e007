import CKernels

/// Floats that outlive a step: parameters, gradients, the optimiser's moments.
///
/// Aligned to cache lines. Several threads may read it at once, but none while another writes. The trainer works in
/// phases: workers read parameters and write to their own gradients, then a single thread adds and updates.
public final class FloatStorage: @unchecked Sendable {
  /// The number of floats.
  public let count: Int
  /// The first float.
  public let base: UnsafeMutablePointer<Float>

  /// `count` zeros.
  public init(zeros count: Int) {
    self.count = count
    let raw = UnsafeMutableRawPointer.allocate(byteCount: max(64, count * 4), alignment: 64)
    base = raw.bindMemory(to: Float.self, capacity: max(16, count))
    base.initialize(repeating: 0, count: max(16, count))
  }

  deinit { UnsafeMutableRawPointer(base).deallocate() }

  /// A copy of `range`.
  public subscript(range: Range<Int>) -> [Float] {
    get {
      precondition(range.lowerBound >= 0 && range.upperBound <= count)
      return Array(UnsafeBufferPointer(start: base + range.lowerBound, count: range.count))
    }
    set {
      precondition(newValue.count == range.count && range.lowerBound >= 0 && range.upperBound <= count)
      newValue.withUnsafeBufferPointer { new in
        if let source = new.baseAddress { (base + range.lowerBound).update(from: source, count: new.count) }
      }
    }
  }

  /// Sets every float from number `first` on to zero.
  public func clear(from first: Int = 0) { (base + first).update(repeating: 0, count: count - first) }

  /// A copy of the numbers.
  public func copy() -> FloatStorage {
    let copy = FloatStorage(zeros: count)
    copy.base.update(from: base, count: count)
    return copy
  }

  /// self ← self + other.
  public func add(_ other: FloatStorage) {
    precondition(count == other.count)
    ck_add(base, other.base, count)
  }

  /// The Euclidean norm, summed in double precision.
  public var norm: Double { ck_sum_of_squares(base, count).squareRoot() }

  /// The number of NaNs and infinities.
  public var nonFiniteCount: Int { ck_count_non_finite(base, count) }
}
