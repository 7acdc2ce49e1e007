/// The exit statuses of the command line (`sysexits.h`, and 128 + signal number).
public enum ExitStatus: Int32, Sendable {
  case success = 0
  /// The command line itself is wrong.
  case usage = 64
  /// Input data or a config is wrong.
  case badInput = 65
  /// An input is missing or cannot be opened.
  case missingInput = 66
  /// A defect of the program.
  case internalError = 70
  /// An output cannot be created.
  case cannotCreate = 73
  /// Reading or writing failed while running.
  case ioError = 74
  /// Stopped by SIGINT.
  case interrupted = 130
  /// Stopped by SIGTERM.
  case terminated = 143
}

/// An error that a person can cause and mend.
///
/// `description` is what the person reads: what is wrong, where, and what would be right, in one or a few lines
/// without a trailing full stop being required. Each library module has its own enumeration of such errors.
public protocol UserFacingError: Error, Sendable, CustomStringConvertible {
  /// The status that the command line exits with.
  var exitStatus: ExitStatus { get }
}

/// Several errors found in one pass, reported together.
public struct ErrorList: UserFacingError {
  /// The errors, in the order of the places they point at.
  public let errors: [any UserFacingError]

  /// Throws `errors` if there are any: a single error as itself, several as one list.
  public static func throwIfAny(_ errors: [any UserFacingError]) throws {
    if errors.count == 1 { throw errors[0] }
    if !errors.isEmpty { throw ErrorList(errors: errors) }
  }

  /// One line an error.
  public var description: String {
    errors.map(\.description).joined(separator: "\n")
  }

  /// The status of the first error.
  public var exitStatus: ExitStatus {
    errors.first?.exitStatus ?? .internalError
  }
}
