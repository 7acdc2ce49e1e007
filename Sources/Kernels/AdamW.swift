import CKernels

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
