import ArgumentParser
import Diagnostics
import Foundation

/// Turns any error into a message and an exit status.
struct Failure {
  /// The text for stderr, or for stdout if it was requested (`--help`).
  let text: String
  let status: Int32

  /// User-facing errors keep their text and status; the parser's have status 64; all others are defects of ours.
  ///
  /// - Parameter member: who had it, where that is not clear.
  init(_ error: any Error, of member: String? = nil) {
    switch error {
    case is ClosedOutput:
      (text, status) = ("", ExitStatus.success.rawValue)
    case let code as ExitCode:
      (text, status) = ("", code.rawValue)
    case let error as any UserFacingError:
      (text, status) = (Self.marked(error.description, member), error.exitStatus.rawValue)
    default:
      let code = SwiftPEFT.exitCode(for: error)
      if code == .success {
        (text, status) = (SwiftPEFT.fullMessage(for: error), code.rawValue)
      } else if code == .validationFailure {
        (text, status) = (Self.usage(error, member), ExitStatus.usage.rawValue)
      } else {
        (text, status) = (Self.marked("internal error: \(error)", member), ExitStatus.internalError.rawValue)
      }
    }
  }

  func exit() -> Never {
    show()
    Foundation.exit(status)
  }

  /// Whether the parser throws `error`, for wrong usage or to show help.
  static func isParsers(_ error: any Error) -> Bool {
    switch SwiftPEFT.exitCode(for: error) {
    case .success, .validationFailure: !(error is ClosedOutput)
    default: false
    }
  }

  /// Prints the text.
  func show() {
    if status == ExitStatus.success.rawValue {
      if !text.isEmpty { try? Console.print(text) }
    } else if !text.isEmpty {
      Console.note(text)
    }
  }

  /// Each line gets the prefix: `swift-peft: error: FILE:LINE: …`.
  private static func marked(_ description: String, _ member: String?) -> String {
    let prefix = "swift-peft: error: " + (member.map { "\($0): " } ?? "")
    return description.split(separator: "\n").map { prefix + $0 }.joined(separator: "\n")
  }

  /// The parser's own message, with our prefix instead of its "Error: ".
  private static func usage(_ error: any Error, _ member: String?) -> String {
    let full = SwiftPEFT.fullMessage(for: error)
    let prefix = "swift-peft: error: " + (member.map { "\($0): " } ?? "")
    return full.hasPrefix("Error: ") ? prefix + full.dropFirst("Error: ".count) : full
  }
}
