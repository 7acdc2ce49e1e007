import CKernels

/// The nonlinearity between two linear maps, named as in transformers' `ACT2FN`.
public enum Activation: String, Sendable, CaseIterable {
  /// x Φ(x), exact.
  case gelu
  /// ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))).
  case geluTanh = "gelu_new"
  /// x σ(1.702 x).
  case quickGELU = "quick_gelu"
  /// max(0, x).
  case relu
  /// max(0, x)².
  case relu2
  /// x σ(x).
  case silu
  /// x tanh(ln(1 + eˣ)).
  case mish
  /// The hyperbolic tangent.
  case tanh

  private var kernel: ck_activation {
    switch self {
    case .gelu: ck_gelu
    case .geluTanh: ck_gelu_tanh
    case .quickGELU: ck_quick_gelu
    case .relu: ck_relu
    case .silu: ck_silu
    case .tanh: ck_tanh
    case .mish: ck_mish
    case .relu2: ck_relu2
    }
  }

  /// y ← f(pre + bias) for `rows` rows of numbers in `precision`; with `keepsSlopes` also pre ← f'(pre + bias).
  public func forward(
    _ precision: Precision, pre: UnsafeMutableRawPointer, bias: UnsafePointer<Float>?, y: UnsafeMutableRawPointer,
    keepsSlopes: Bool = false, rows: Int, columns: Int
  ) {
    ck_bias_activation(kernel, precision == .bfloat16, pre, bias, y, keepsSlopes, rows, columns)
  }

  /// y ← f(gate) · up.
  public func gated(
    _ precision: Precision, gate: UnsafeRawPointer, up: UnsafeRawPointer, y: UnsafeMutableRawPointer, count: Int
  ) {
    ck_gated(kernel, precision == .bfloat16, gate, up, y, count)
  }

  /// dUp ← dy · f(gate), then dy ← dy · up · f'(gate).
  public func gatedBackward(
    _ precision: Precision, gate: UnsafeRawPointer, up: UnsafeRawPointer, dy: UnsafeMutableRawPointer,
    dUp: UnsafeMutableRawPointer, count: Int
  ) {
    ck_gated_backward(kernel, precision == .bfloat16, gate, up, dy, dUp, count)
  }
}
