/// The exit statuses of the command line (`sysexits.h`, and 128 + signal number).
public enum ExitStatus: Int32, Sendable {
  case success = 0
  /// The command line itself is wrong.
  case usage = 64
  /// Input data or a config is wrong.
  case badInput = 65
  /// An input is missing or cannot be opened.
  case missingInput = 66
  /// A bug in the program.
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

/// An error that a person can cause and fix.
///
/// `description` tells what is wrong, where, and what would be right, in one or a few lines.
public protocol UserFacingError: Error, Sendable, CustomStringConvertible {
  /// The status that the command line exits with.
  var exitStatus: ExitStatus { get }
}

/// Several errors found in one pass, reported together.
public struct ErrorList: UserFacingError {
  /// The errors, in the order of their places.
  public let errors: [any UserFacingError]
  /// The number of errors in `description`, which only counts the rest.
  let shown: Int

  /// Throws `errors` if there are any: a single one as itself, several as a list.
  ///
  /// - Parameter showing: for errors that are all alike, the number to describe before counting the rest.
  public static func throwIfAny(_ errors: [any UserFacingError], showing shown: Int = .max) throws {
    if errors.count == 1 { throw errors[0] }
    if !errors.isEmpty { throw ErrorList(errors: errors, shown: shown) }
  }

  /// One line per error; after the first `shown` ones, a count.
  public var description: String {
    let lines = errors.prefix(shown).map(\.description)
    return (errors.count > shown ? lines + ["and \(errors.count - shown) more"] : lines).joined(separator: "\n")
  }

  /// The status of the first error.
  public var exitStatus: ExitStatus {
    errors.first?.exitStatus ?? .internalError
  }
}
