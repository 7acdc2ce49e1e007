import Foundation

/// The exit statuses of the command line (`sysexits.h`); a signal's is 128 + its number.
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

  /// What `body` returns. If it throws, throws `errors` and then its own.
  public static func after<Value>(_ errors: [any UserFacingError], _ body: () throws -> Value) throws -> Value {
    do { return try body() } catch let error as any UserFacingError {
      try throwIfAny(errors + [error])
      throw error
    }
  }

  /// Errors that are all alike, as one that counts those after the first three; at most three stay as they are.
  public static func alike(_ errors: [any UserFacingError]) -> [any UserFacingError] {
    errors.count > 3 ? [ErrorList(errors: errors, shown: 3)] : errors
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

/// A place in a text file: file, line and, if the file has fields, the path of a field.
public struct FilePlace: Sendable, Equatable, CustomStringConvertible {
  /// The file's path, or another name of the text.
  public let file: String
  /// 1-based.
  public let line: Int
  /// The field's path inside the file, such as `model.vocab`; empty for the file as a whole.
  public let field: String

  /// A place.
  public init(file: String, line: Int, field: String = "") {
    self.file = file
    self.line = line
    self.field = field
  }

  /// `file:line: field`.
  public var description: String { field.isEmpty ? "\(file):\(line)" : "\(file):\(line): \(field)" }
}

extension UserFacingError {
  /// Writes the error to stderr and ends the process with its status, for code that can neither go on nor throw.
  ///
  /// No exit handlers run, since other threads may still be at work.
  public func endProcess() -> Never {
    show()
    _exit(exitStatus.rawValue)
  }

  /// Writes the error to stderr.
  public func show() {
    let program = CommandLine.arguments.first?.split(separator: "/").last.map { "\($0): " } ?? ""
    let text = Array("\(program)error: \(description)\n".utf8)
    _ = write(STDERR_FILENO, text, text.count)
  }
}
