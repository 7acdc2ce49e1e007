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

  /// These numbers.
  public convenience init(_ values: [Float]) {
    self.init(zeros: values.count)
    self[0..<values.count] = values
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

  /// self ← other.
  public func copy(from other: FloatStorage) {
    precondition(count == other.count)
    base.update(from: other.base, count: count)
  }

  /// self ← self + other.
  public func add(_ other: FloatStorage) {
    precondition(count == other.count)
    ck_add(base, other.base, count)
  }

  /// FNV-1a over the words of `range`: equal numbers have equal hashes on every machine.
  public func hash(_ range: Range<Int>) -> UInt64 {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for index in range { hash = (hash ^ UInt64(base[index].bitPattern)) &* 0x100_0000_01b3 }
    return hash
  }

  /// The Euclidean norm, summed in double precision.
  public var norm: Double { ck_sum_of_squares(base, count).squareRoot() }
}

/// Hyper-parameters of one AdamW step (Loshchilov & Hutter, arXiv 1711.05101), as torch.optim.AdamW applies them.
public struct AdamWStep: Sendable {
  private let rates: ck_adamw

  /// - Parameters:
  ///   - weightDecay: the decoupled one.
  ///   - step: the number of this step, from 1, for the bias correction.
  ///   - gradientScale: a factor on the gradient (clipping).
  public init(
    learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double, step: Int,
    gradientScale: Double
  ) {
    let first = 1 - Self.power(beta1, step), second = 1 - Self.power(beta2, step)
    rates = ck_adamw(
      keep: Float(1 - learningRate * weightDecay), step_size: Float(learningRate / first), gain1: Float(1 - beta1),
      beta2: Float(beta2), gain2: Float(1 - beta2), root_correction2: Float(second.squareRoot()),
      epsilon: Float(epsilon), gradient_scale: Float(gradientScale))
  }

  /// Applies the step to the numbers of `range` in all four storages.
  public func apply(
    range: Range<Int>, values: FloatStorage, gradients: FloatStorage, firstMoments: FloatStorage,
    secondMoments: FloatStorage
  ) {
    precondition(range.upperBound <= min(values.count, gradients.count, firstMoments.count, secondMoments.count))
    let at = range.lowerBound
    ck_adamw_step(
      values.base + at, gradients.base + at, firstMoments.base + at, secondMoments.base + at, rates, range.count)
  }

  private static func power(_ base: Double, _ exponent: Int) -> Double {
    var result = 1.0, base = base, exponent = exponent
    while exponent > 0 {
      if exponent & 1 == 1 { result *= base }
      base *= base
      exponent >>= 1
    }
    return result
  }
}
