import Foundation

/// Stops a run that a sweep started when the sweep itself is killed and cannot say so.
enum ParentWatch {
  private static let variable = "SWIFT_PEFT_SWEEP"

  /// What tells the processes that this one starts.
  static var environment: [String: String] { [variable: String(getpid())] }

  /// In a process that a sweep started: SIGTERM to itself when that one is gone.
  static func install() {
    guard let text = ProcessInfo.processInfo.environment[variable], let parent = pid_t(text) else { return }
    Thread.detachNewThread {
      while getppid() == parent { usleep(100_000) }
      kill(getpid(), SIGTERM)
    }
  }
}
