import Diagnostics

/// Why a template is not valid, or could not be run: `chat_template.jinja:12: message`.
public struct JinjaError: UserFacingError, Equatable {
  /// The template's name, usually that of its file.
  public let template: String
  /// The line in the template, from 1.
  public let line: Int
  /// What is wrong, in jinja2's words where it has some; what `raise_exception` was called with.
  public let message: String
  /// What kind of error it is.
  public let kind: Kind

  /// The kinds of errors.
  public enum Kind: Sendable, Equatable {
    /// The text is no template: a syntax error, an unknown filter, a tag that is not available.
    case syntax
    /// The template itself called `raise_exception`.
    case raised
    /// Something is undefined, of a wrong type, or refused, as in jinja2.
    case runtime
    /// The template took more steps, text or depth than is allowed.
    case limit
  }

  /// `template:line: message`.
  public var description: String { "\(template):\(line): \(message)" }
  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }
}

/// An error that does not know its line yet: the innermost statement or call that it passes adds it.
struct JinjaFailure: Error {
  var message: String
  var kind: JinjaError.Kind = .runtime
  var line: Int?

  init(_ message: String, kind: JinjaError.Kind = .runtime, line: Int? = nil) {
    self.message = message
    self.kind = kind
    self.line = line
  }

  /// The use of a value that does not exist.
  init(_ undefined: JinjaUndefined) { self.init(undefined.message) }
}

/// Runs `body`; an error that has no line yet gets `line`.
@inline(__always)
func at<Result>(_ line: Int, _ body: () throws -> Result) throws -> Result {
  do {
    return try body()
  } catch var failure as JinjaFailure where failure.line == nil {
    failure.line = line
    throw failure
  }
}
