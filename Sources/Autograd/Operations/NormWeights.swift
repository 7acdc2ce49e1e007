import Kernels

/// Frozen weights of a norm, in float32.
public struct NormWeights: Sendable {
  /// What a row is divided by.
  public enum Kind: Sendable, Equatable {
    /// Its standard deviation, after its mean is subtracted (layer norm; Ba et al., arXiv 1607.06450).
    case layer
    /// The root of its mean square (RMS norm; Zhang & Sennrich, arXiv 1910.07467).
    case rms
  }

  /// Layer norm or RMS norm.
  public let kind: Kind
  /// γ [C].
  public let gamma: FrozenTensor
  /// β [C]; nil for an RMS norm, and for a layer norm without a bias.
  public let beta: FrozenTensor?
  /// Added to the variance, or to the mean square.
  public let epsilon: Float

  /// Weights. If `kind` is not given, a norm with β is a layer norm and one without is an RMS norm.
  public init(gamma: FrozenTensor, beta: FrozenTensor? = nil, epsilon: Float, kind: Kind? = nil) {
    self.kind = kind ?? (beta == nil ? .rms : .layer)
    precondition(self.kind == .layer || beta == nil, "an RMS norm has no β")
    self.gamma = gamma
    self.beta = beta
    self.epsilon = epsilon
  }
}

extension Tape {
  /// Runs `body` with γ, β and `bias` as floats.
  func withFloats(
    _ norm: NormWeights, _ bias: FrozenTensor?,
    _ body: (
      _ gamma: UnsafeMutablePointer<Float>, _ beta: UnsafeMutablePointer<Float>?, _ bias: UnsafeMutablePointer<Float>?
    ) -> Void
  ) {
    withFloats(norm.gamma) { gamma in
      withOptionalFloats(norm.beta) { beta in withOptionalFloats(bias) { body(gamma, beta, $0) } }
    }
  }
}
