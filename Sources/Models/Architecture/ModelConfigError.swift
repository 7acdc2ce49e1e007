import Diagnostics

/// A `config.json` that describes no model of ours.
public struct ModelConfigError: UserFacingError, Equatable {
  /// The config file.
  public let file: String
  /// 1-based.
  public let line: Int
  /// What is wrong there.
  public let problem: Problem

  /// What can be wrong.
  public enum Problem: Sendable, Equatable {
    case notAnObject(kind: String)
    case missing(field: String, expected: String)
    case wrongType(field: String, kind: String, expected: String)
    case outOfRange(field: String, value: String, expected: String)
    /// A value for which there is no code here.
    case unsupported(field: String, value: String, supported: String)
    case notDivisible(field: String, value: Int, by: String, divisor: Int)
    case inconsistent(String)
  }

  /// `config.json:3: what is wrong`.
  public var description: String { "\(file):\(line): \(sentence)" }
  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }

  private var sentence: String {
    switch problem {
    case .notAnObject(let kind): "a model's config is an object, this is \(kind)"
    case .missing(let field, let expected): "\(field) is missing, expected \(expected)"
    case .wrongType(let field, let kind, let expected): "\(field) is \(kind), expected \(expected)"
    case .outOfRange(let field, let value, let expected): "\(field) is \(value), expected \(expected)"
    case .unsupported(let field, let value, let supported):
      "\(field) \(value) is not supported; supported: \(supported)"
    case .notDivisible(let field, let value, let by, let divisor):
      "\(field) (\(value)) is not a multiple of \(by) (\(divisor))"
    case .inconsistent(let sentence): sentence
    }
  }
}
