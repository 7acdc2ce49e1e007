import Checkpoints
import Kernels

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
