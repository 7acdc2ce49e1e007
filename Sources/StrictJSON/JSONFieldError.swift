import Diagnostics

/// A field of a JSON file that is missing or wrong.
public struct JSONFieldError: UserFacingError, Equatable {
  /// File, line and path of the field.
  public let place: FilePlace
  /// What is wrong with it.
  public let problem: Problem

  /// What can be wrong with a field.
  public enum Problem: Sendable, Equatable {
    /// The field does not exist.
    case missing(expected: String? = nil)
    /// The value has another kind or is out of range.
    case wrongValue(expected: String, found: String)
    /// No such field is known.
    case unknown(nearest: String?)
    /// Anything else, as the end of the sentence "path: …".
    case other(String)
  }

  /// `problem` at `place`.
  public init(place: FilePlace, problem: Problem) {
    self.place = place
    self.problem = problem
  }

  /// `file:line: path: problem`.
  public var description: String { "\(place): \(sentence)" }
  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }

  private var sentence: String {
    switch problem {
    case .missing(let expected): "is missing" + (expected.map { "; expected \($0)" } ?? "")
    case .wrongValue(let expected, let found): "must be \(expected), not \(found)"
    case .unknown(let nearest): "unknown key" + (nearest.map { ", did you mean \"\($0)\"?" } ?? "")
    case .other(let problem): problem
    }
  }
}
