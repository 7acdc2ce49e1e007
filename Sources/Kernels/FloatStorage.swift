/// A run of floats that outlives steps: parameters, their gradients, an optimiser's moments.
///
/// Aligned to cache lines. It may be read from several threads; only one may write, and none may read meanwhile.
/// The trainer keeps that rule by phases: workers read parameters and each writes its own gradients, then one thread
/// alone adds and updates.
public final class FloatStorage: @unchecked Sendable {
  /// How many floats.
  public let count: Int
  /// The first one.
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
}

extension FloatStorage {
  /// A storage of its own with the same numbers.
  public func copy() -> FloatStorage {
    let copy = FloatStorage(zeros: count)
    copy.base.update(from: base, count: count)
    return copy
  }
}
