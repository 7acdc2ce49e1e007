/// What A and B start with: `init_lora_weights`, with PEFT's names.
public enum AdapterStart: Sendable, Hashable {
  /// A kaiming-uniform with a = √5, B zero: `true`.
  case standard
  /// A ~ N(0, 1/r²), B zero.
  case gaussian
  /// The largest singular values of W: exact, or approximate after a number of passes (`pissa_niter_4`).
  case pissa(iterations: Int?)
  /// The first columns of Q and rows of R in W = Q R.
  case olora
  /// Factors that are not zero, with B A = 0.
  case orthogonal
  /// B the left singular vectors of the smallest singular values, which stays; A zero.
  case mica

  /// The values that a config may have beside true, with K for a number.
  public static let names = ["gaussian", "pissa", "pissa_niter_K", "olora", "orthogonal", "mica"]

  /// The start that PEFT calls `name`.
  public init?(name: String) {
    let prefix = "pissa_niter_"
    switch name {
    case "gaussian": self = .gaussian
    case "pissa": self = .pissa(iterations: nil)
    case "olora": self = .olora
    case "orthogonal": self = .orthogonal
    case "mica": self = .mica
    default:
      guard name.hasPrefix(prefix), let count = Int(name.dropFirst(prefix.count)), (0...1000).contains(count),
        name == prefix + String(count)
      else { return nil }
      self = .pissa(iterations: count)
    }
  }

  /// PEFT's name; `true` for the standard one.
  public var name: String {
    switch self {
    case .standard: "true"
    case .gaussian: "gaussian"
    case .pissa(let iterations): iterations.map { "pissa_niter_\($0)" } ?? "pissa"
    case .olora: "olora"
    case .orthogonal: "orthogonal"
    case .mica: "mica"
    }
  }

  /// Whether the numbers follow from W.
  public var comesFromWeights: Bool { tensors != .plain }

  /// What tensors a method has with it.
  enum Tensors { case plain, difference, frozenB }

  var tensors: Tensors {
    switch self {
    case .standard, .gaussian, .orthogonal: .plain
    case .pissa, .olora: .difference
    case .mica: .frozenB
    }
  }
}
