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
      or config, 66 missing input, 70 internal error, 73 output cannot be created, 74 I/O error, 129, 130, \
      138, 143 stopped by SIGHUP, SIGINT, SIGUSR1 or SIGTERM.
      """,
    version: "swift-peft \(ProductVersion.current)",
    subcommands: [
      Train.self, Sweep.self, Evaluate.self, CompareParams.self, Predict.self, Generate.self, Chat.self, Score.self,
      Export.self,
      Merge.self, Quantize.self, Tokenize.self, Download.self, Runs.self, Init.self, ShowData.self,
      Schema.self, Doctor.self,
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

/// SIGINT, SIGTERM, SIGHUP and SIGUSR1: a verb that writes files stops after its current step and finishes them. A second
/// SIGINT or SIGTERM, or a signal to any other verb, ends the process immediately. The exit status is 128 + the signal's
/// number.
///
/// Every launcher of processes on a cluster forwards SIGUSR1 and waits; on SIGTERM some kill soon after.
enum StopSignals {
  /// All that stop a verb.
  static let all = [SIGINT, SIGTERM, SIGHUP, SIGUSR1]

  /// The first signal; 0 if none.
  private static let received = Atomic<Int32>(0)
  /// Whether SIGINT or SIGTERM came: a second one is impatient. The other two may come many times for one wish: a closing
  /// terminal repeats SIGHUP, and SIGUSR1 reaches a run from its launcher and from its sweep.
  private static let wasAsked = Atomic<Bool>(false)
  private static let isDeferring = Atomic<Bool>(false)
  private static let isAnswering = Atomic<Bool>(false)

  /// Installs the handlers, and ignores SIGPIPE and SIGXFSZ: writing to a closed pipe, or beyond the file size limit,
  /// then fails with an error instead.
  static func install() {
    // A handler must not be the first to access a lazy global.
    _ = (received.load(ordering: .relaxed), wasAsked.load(ordering: .relaxed))
    _ = (isDeferring.load(ordering: .relaxed), isAnswering.load(ordering: .relaxed))
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    for number in all where number != SIGHUP || !isIgnored(SIGHUP) { signal(number, handler) }
    // Only a thread that does nothing else runs the handler. On a computing thread even an empty one corrupted the heap:
    // with oneDNN 2.6.3, 14 of 15 runs that got ten signals crashed. Threads inherit the mask of the one that starts them.
    setMask(SIG_BLOCK)
    Thread.detachNewThread {
      setMask(SIG_UNBLOCK)
      while true { pause() }
    }
  }

  private static func setMask(_ how: Int32) {
    var set = sigset_t()
    sigemptyset(&set)
    for number in all { sigaddset(&set, number) }
    pthread_sigmask(how, &set, nil)
  }

  /// `nohup` starts programs with SIGHUP ignored, which must stay so.
  private static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    guard sigaction(number, nil, &action) == 0 else { return false }
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  /// From now on, the first signal only sets `pending`.
  static func deferStops() { isDeferring.store(true, ordering: .sequentiallyConsistent) }

  /// Whether an answer is being written that SIGINT ends, instead of the process. SIGINT takes it back.
  static func beginAnswer() { isAnswering.store(true, ordering: .sequentiallyConsistent) }

  /// Whether no SIGINT has come since `beginAnswer`.
  static var isAnswerWanted: Bool { isAnswering.load(ordering: .sequentiallyConsistent) }

  /// From now on, SIGINT ends the process again. Returns whether none came.
  static func endAnswer() -> Bool { isAnswering.exchange(false, ordering: .sequentiallyConsistent) }

  /// The signal to stop for, or nil.
  static var pending: Int32? {
    let number = received.load(ordering: .sequentiallyConsistent)
    return number == 0 ? nil : number
  }

  private static let handler: @convention(c) (Int32) -> Void = { number in
    if number == SIGINT, isAnswering.exchange(false, ordering: .sequentiallyConsistent) { return }
    _ = received.compareExchange(expected: 0, desired: number, ordering: .sequentiallyConsistent)
    let isImpatient =
      (number == SIGINT || number == SIGTERM) && wasAsked.exchange(true, ordering: .sequentiallyConsistent)
    if isImpatient || !isDeferring.load(ordering: .sequentiallyConsistent) { _exit(128 + number) }
  }
}

/// Stops a run of a sweep when the sweep itself is killed.
enum ParentWatch {
  private static let variable = "SWIFT_PEFT_SWEEP"

  /// Environment for the processes of a sweep: the sweep's process id.
  static var environment: [String: String] { [variable: String(getpid())] }

  /// Whether this is a process of a sweep.
  static var isInSweep: Bool { ProcessInfo.processInfo.environment[variable] != nil }

  /// In a process of a sweep: stops it when the sweep is gone.
  static func install() {
    guard let text = ProcessInfo.processInfo.environment[variable], let parent = pid_t(text) else { return }
    Thread.detachNewThread {
      while getppid() == parent { usleep(100_000) }
      kill(getpid(), SIGUSR1)
    }
  }
}
