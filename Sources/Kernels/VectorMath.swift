import CKernels

/// Element-wise functions between linear maps.
public enum ActivationKind: Sendable, CaseIterable {
  /// x Φ(x), exact.
  case gelu
  /// The tanh approximation of GELU.
  case geluTanh
  /// x σ(1.702 x).
  case quickGELU
  case relu
  /// x σ(x).
  case silu
  case tanh
  /// x tanh(ln(1 + eˣ)).
  case mish
  /// max(0, x)².
  case relu2
  case sigmoid
  case identity

  var kernel: ck_activation {
    switch self {
    case .gelu: ck_gelu
    case .geluTanh: ck_gelu_tanh
    case .quickGELU: ck_quick_gelu
    case .relu: ck_relu
    case .silu: ck_silu
    case .tanh: ck_tanh
    case .mish: ck_mish
    case .relu2: ck_relu2
    case .sigmoid: ck_sigmoid
    case .identity: ck_identity
    }
  }

  /// y ← f(pre + bias) for `rows` rows.
  public func forward(
    pre: UnsafePointer<Float>, bias: UnsafePointer<Float>?, y: UnsafeMutablePointer<Float>, rows: Int, columns: Int
  ) {
    ck_bias_activation(kernel, pre, bias, y, rows, columns)
  }

  /// The same in bfloat16.
  public func forward(
    pre: UnsafePointer<UInt16>, bias: UnsafePointer<Float>?, y: UnsafeMutablePointer<UInt16>, rows: Int, columns: Int
  ) {
    ck_bf16_bias_activation(kernel, pre, bias, y, rows, columns)
  }

  /// dy ← dy · f'(pre + bias).
  public func backward(
    pre: UnsafePointer<Float>, bias: UnsafePointer<Float>?, dy: UnsafeMutablePointer<Float>, rows: Int, columns: Int
  ) {
    ck_activation_backward(kernel, pre, bias, dy, rows, columns)
  }

  /// The same in bfloat16.
  public func backward(
    pre: UnsafePointer<UInt16>, bias: UnsafePointer<Float>?, dy: UnsafeMutablePointer<UInt16>, rows: Int, columns: Int
  ) {
    ck_bf16_activation_backward(kernel, pre, bias, dy, rows, columns)
  }

  /// y ← f(gate) · up.
  public func gated(
    gate: UnsafePointer<Float>, up: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>, count: Int
  ) {
    ck_gated(kernel, gate, up, y, count)
  }

  /// The same in bfloat16.
  public func gated(
    gate: UnsafePointer<UInt16>, up: UnsafePointer<UInt16>, y: UnsafeMutablePointer<UInt16>, count: Int
  ) {
    ck_bf16_gated(kernel, gate, up, y, count)
  }

  /// dUp ← dy · f(gate), then dy ← dy · up · f'(gate).
  public func gatedBackward(
    gate: UnsafePointer<Float>, up: UnsafePointer<Float>, dy: UnsafeMutablePointer<Float>,
    dUp: UnsafeMutablePointer<Float>, count: Int
  ) {
    ck_gated_backward(kernel, gate, up, dy, dUp, count)
  }

  /// The same in bfloat16.
  public func gatedBackward(
    gate: UnsafePointer<UInt16>, up: UnsafePointer<UInt16>, dy: UnsafeMutablePointer<UInt16>,
    dUp: UnsafeMutablePointer<UInt16>, count: Int
  ) {
    ck_bf16_gated_backward(kernel, gate, up, dy, dUp, count)
  }
}

/// Hyper-parameters of one AdamW step (Loshchilov & Hutter, arXiv 1711.05101), as torch.optim.AdamW applies them.
public struct AdamWStep: Sendable {
  /// The learning rate of this step.
  public var learningRate: Double
  /// Decay of the first moment.
  public var beta1: Double
  /// Decay of the second moment.
  public var beta2: Double
  /// Added to the root of the second moment.
  public var epsilon: Double
  /// Decoupled weight decay.
  public var weightDecay: Double
  /// The number of this step, from 1, for the bias correction.
  public var step: Int
  /// Factor on the gradient (clipping).
  public var gradientScale: Double

  /// Hyper-parameters of step number `step`.
  public init(
    learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double, step: Int,
    gradientScale: Double
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.step = step
    self.gradientScale = gradientScale
  }

  /// Applies the step to the numbers of `range` in all four storages.
  public func apply(
    range: Range<Int>, values: FloatStorage, gradients: FloatStorage, firstMoments: FloatStorage,
    secondMoments: FloatStorage
  ) {
    precondition(range.upperBound <= min(values.count, gradients.count, firstMoments.count, secondMoments.count))
    let step = ck_adamw(
      keep: Float(1 - learningRate * weightDecay), step_size: Float(learningRate / (1 - power(beta1, self.step))),
      gain1: Float(1 - beta1), beta2: Float(beta2), gain2: Float(1 - beta2),
      root_correction2: Float((1 - power(beta2, self.step)).squareRoot()), epsilon: Float(epsilon),
      gradient_scale: Float(gradientScale))
    let at = range.lowerBound
    ck_adamw_step(
      values.base + at, gradients.base + at, firstMoments.base + at, secondMoments.base + at, step, range.count)
  }

  private func power(_ base: Double, _ exponent: Int) -> Double {
    var result = 1.0, base = base, exponent = exponent
    while exponent > 0 {
      if exponent & 1 == 1 { result *= base }
      base *= base
      exponent >>= 1
    }
    return result
  }
}

extension FloatStorage {
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
