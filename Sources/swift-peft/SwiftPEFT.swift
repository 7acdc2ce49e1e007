import ArgumentParser
import Foundation
import Synchronization
import Training

/// The command line: `swift-peft VERB …`.
@main
struct SwiftPEFT: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swift-peft",
    abstract: "Fine-tune language models on CPUs with shared low-rank adapters.",
    discussion: """
      EXAMPLE: swift-peft train configs/quickstart.json

      Results go to stdout; progress and log lines go to stderr. Exit status: 0 done, 64 wrong usage, 65 invalid data \
      or config, 66 missing input, 70 internal error, 73 output cannot be created, 74 I/O error, 130 stopped by SIGINT, \
      143 stopped by SIGTERM.
      """,
    version: "swift-peft \(ProductVersion.current)",
    subcommands: [
      Train.self, Sweep.self, Evaluate.self, CompareParams.self, Predict.self, Generate.self, Score.self, Export.self,
      Merge.self, Tokenize.self, Download.self, Runs.self, Init.self, Schema.self, Doctor.self,
    ])

  /// All errors of all verbs end in `Failure`.
  static func main() {
    StopSignals.install()
    ParentWatch.install()
    var command: any ParsableCommand
    do {
      command = try parseAsRoot()
      try ClusterSession.requireSupport(of: command)
    } catch {
      ClusterSession.fail(error)
    }
    do {
      try command.run()
    } catch {
      Failure(error).exit()
    }
  }
}

/// SIGINT, SIGTERM and SIGHUP: a verb that writes files stops after its current step and finishes them. A second signal,
/// or a signal to any other verb, ends the process immediately. The exit status is 128 + the signal's number.
///
/// A closing terminal may send SIGHUP several times, so SIGHUP never counts as the second signal.
enum StopSignals {
  /// The first signal since `deferStops`; 0 if none.
  private static let received = Atomic<Int32>(0)
  private static let isDeferring = Atomic<Bool>(false)

  /// Installs the handlers, and ignores SIGPIPE and SIGXFSZ: writing to a closed pipe, or beyond the file size limit,
  /// then fails with an error instead.
  static func install() {
    // A handler must not be the first to access a lazy global.
    _ = (received.load(ordering: .relaxed), isDeferring.load(ordering: .relaxed))
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    signal(SIGINT, handler)
    signal(SIGTERM, handler)
    if !isIgnored(SIGHUP) { signal(SIGHUP, handler) }
    // Only a thread that does nothing else runs the handler. On a computing thread even an empty one corrupted the heap:
    // with oneDNN 2.6.3, 14 of 15 runs that got ten signals crashed. Threads inherit the mask of the one that starts them.
    setMask(SIG_BLOCK)
    Thread.detachNewThread {
      setMask(SIG_UNBLOCK)
      while true { pause() }
    }
  }

  private static func setMask(_ how: Int32) {
    var all = sigset_t()
    sigemptyset(&all)
    for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&all, number) }
    pthread_sigmask(how, &all, nil)
  }

  /// `nohup` starts programs with SIGHUP ignored, which must stay so.
  private static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    guard sigaction(number, nil, &action) == 0 else { return false }
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  /// From now on, the first signal only sets `pending`.
  static func deferStops() { isDeferring.store(true, ordering: .sequentiallyConsistent) }

  /// The signal to stop for, or nil.
  static var pending: Int32? {
    let number = received.load(ordering: .sequentiallyConsistent)
    return number == 0 ? nil : number
  }

  private static let handler: @convention(c) (Int32) -> Void = { number in
    let isFirst =
      received.compareExchange(expected: 0, desired: number, ordering: .sequentiallyConsistent).exchanged
    if !isFirst, number == SIGHUP { return }
    if !isFirst || !isDeferring.load(ordering: .sequentiallyConsistent) { _exit(128 + number) }
  }
}

/// Stops a run of a sweep when the sweep itself is killed.
enum ParentWatch {
  private static let variable = "SWIFT_PEFT_SWEEP"

  /// Environment for the processes of a sweep: the sweep's process id.
  static var environment: [String: String] { [variable: String(getpid())] }

  /// Whether this is a process of a sweep.
  static var isInSweep: Bool { ProcessInfo.processInfo.environment[variable] != nil }

  /// In a process of a sweep: sends itself SIGTERM when the sweep is gone.
  static func install() {
    guard let text = ProcessInfo.processInfo.environment[variable], let parent = pid_t(text) else { return }
    Thread.detachNewThread {
      while getppid() == parent { usleep(100_000) }
      kill(getpid(), SIGTERM)
    }
  }
}
