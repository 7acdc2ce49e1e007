/// A choice of modules: `target_modules` and `exclude_modules`.
public enum TargetModules: Sendable, Equatable {
  /// Those whose path is, or ends in `.` and, one of these.
  case suffixes([String])
  /// Every linear map but the head and the output layer.
  case allLinear
  /// Those whose whole path, with the base model's prefix, the regular expression matches.
  case expression(String)

  /// The texts of the choice, for people.
  public var names: [String] {
    switch self {
    case .suffixes(let names): names
    case .allLinear: [TargetSelection.allLinear]
    case .expression(let text): [text]
    }
  }
}

extension TargetModules: ExpressibleByArrayLiteral {
  /// Names, or `["all-linear"]`.
  public init(arrayLiteral names: String...) { self = TargetSelection(names).targets }
}

/// A value for the modules whose path ends in what a regular expression matches: `rank_pattern`, `alpha_pattern`.
public struct ModuleValue<Value: Sendable & Equatable>: Sendable, Equatable {
  /// The expression.
  public let pattern: String
  /// The value.
  public let value: Value

  /// A value.
  public init(_ pattern: String, _ value: Value) { (self.pattern, self.value) = (pattern, value) }
}
