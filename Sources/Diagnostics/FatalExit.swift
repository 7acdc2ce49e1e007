#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension UserFacingError {
  /// Writes the error to stderr and ends the process with its status, for code that can neither go on nor throw.
  ///
  /// No exit handlers run, since other threads may still be at work.
  public func endProcess() -> Never {
    let program = CommandLine.arguments.first?.split(separator: "/").last.map { "\($0): " } ?? ""
    let text = Array("\(program)error: \(description)\n".utf8)
    _ = write(STDERR_FILENO, text, text.count)
    _exit(exitStatus.rawValue)
  }
}
