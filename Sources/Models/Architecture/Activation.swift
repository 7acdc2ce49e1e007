import Kernels

/// The nonlinearity of a feed-forward block, named as in transformers' `ACT2FN`.
public enum Activation: String, Sendable, CaseIterable {
  /// x Φ(x), with the error function.
  case gelu
  /// ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))).
  case geluTanh = "gelu_new"
  /// x σ(1.702 x).
  case quickGelu = "quick_gelu"
  /// max(0, x).
  case relu
  /// max(0, x)².
  case reluSquared = "relu2"
  /// x σ(x).
  case silu
  /// x tanh(ln(1 + eˣ)).
  case mish
  /// The hyperbolic tangent.
  case tanh

  /// Other names of the same functions. Those of the tanh approximation differ in transformers only by rounding.
  private static let aliases: [String: Activation] = [
    "gelu_python": .gelu, "gelu_fast": .geluTanh, "gelu_pytorch_tanh": .geluTanh, "gelu_python_tanh": .geluTanh,
    "gelu_accurate": .geluTanh, "swish": .silu,
  ]

  /// The function that `name` means in a model's config; nil for names that mean none of ours.
  public init?(name: String) {
    guard let activation = Activation(rawValue: name) ?? Self.aliases[name] else { return nil }
    self = activation
  }

  /// Every name that `init(name:)` knows, sorted.
  public static var names: [String] { (allCases.map(\.rawValue) + aliases.keys).sorted() }
}

extension Activation {
  /// The kernel that computes it.
  var kind: ActivationKind {
    switch self {
    case .gelu: .gelu
    case .geluTanh: .geluTanh
    case .quickGelu: .quickGELU
    case .relu: .relu
    case .reluSquared: .relu2
    case .silu: .silu
    case .mish: .mish
    case .tanh: .tanh
    }
  }
}
