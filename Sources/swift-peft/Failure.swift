import ArgumentParser
import Diagnostics
import Foundation

/// The one way from an error to a message and an exit status.
struct Failure {
  /// What is written to stderr, or for a request such as `--help` to stdout.
  let text: String
  /// The exit status.
  let status: Int32

  /// Errors that a person can cause keep their words and status; the parser's are 64; all others are our defects.
  init(_ error: any Error) {
    switch error {
    case is ClosedOutput:
      (text, status) = ("", ExitStatus.success.rawValue)
    case let code as ExitCode:
      (text, status) = ("", code.rawValue)
    case let error as any UserFacingError:
      (text, status) = (Self.marked(error.description), error.exitStatus.rawValue)
    default:
      let code = SwiftPEFT.exitCode(for: error)
      if code == .success {
        (text, status) = (SwiftPEFT.fullMessage(for: error), code.rawValue)
      } else if code == .validationFailure {
        (text, status) = (Self.usage(error), ExitStatus.usage.rawValue)
      } else {
        (text, status) = (Self.marked("internal error: \(error)"), ExitStatus.internalError.rawValue)
      }
    }
  }

  /// Prints and exits.
  func exit() -> Never {
    if status == ExitStatus.success.rawValue {
      if !text.isEmpty { try? Console.print(text) }
    } else if !text.isEmpty {
      Console.note(text)
    }
    Foundation.exit(status)
  }

  /// The prefix stands on every line, so that each begins like `swift-peft: error: FILE:LINE: …`.
  private static func marked(_ description: String) -> String {
    description.split(separator: "\n").map { "swift-peft: error: \($0)" }.joined(separator: "\n")
  }

  /// The parser's own message, with our prefix instead of its "Error: ".
  private static func usage(_ error: any Error) -> String {
    let full = SwiftPEFT.fullMessage(for: error)
    return full.hasPrefix("Error: ") ? "swift-peft: error: " + full.dropFirst("Error: ".count) : full
  }
}
