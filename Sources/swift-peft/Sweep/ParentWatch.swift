import Foundation

/// Stops a run of a sweep when the sweep itself is killed.
enum ParentWatch {
  private static let variable = "SWIFT_PEFT_SWEEP"

  /// Environment for the processes of a sweep: the sweep's process id.
  static var environment: [String: String] { [variable: String(getpid())] }

  /// In a process of a sweep: sends itself SIGTERM when the sweep is gone.
  static func install() {
    guard let text = ProcessInfo.processInfo.environment[variable], let parent = pid_t(text) else { return }
    Thread.detachNewThread {
      while getppid() == parent { usleep(100_000) }
      kill(getpid(), SIGTERM)
    }
  }
}
