import Checkpoints
import Configuration
import Diagnostics
import Foundation
import Training

/// Trains the runs of a sweep, each in its own process.
///
/// So a failing run cannot affect the others, and its memory is freed when it ends.
final class SweepRunner {
  /// How a run ended.
  struct Ending {
    let item: SweepPlan.Item
    let status: Int32
    /// Its stderr.
    let message: String
    let seconds: Double
  }

  private let plan: SweepPlan
  private let start: String
  private let lock: Int32
  private let program: String
  private var working: [Job] = []

  /// Locks the sweep's directory. Throws if another process holds it.
  init(_ plan: SweepPlan, overwrite: Bool) throws {
    self.plan = plan
    start = overwrite ? "--overwrite" : "--resume"
    let directory = plan.sweep.outputDir
    try OutputDirectory(directory).create()
    lock = open("\(directory)/.sweep.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard lock >= 0 else {
      throw RunError.outputUnusable(directory: directory, reason: String(cString: strerror(errno)))
    }
    // A sweep that ends deletes its lock file; another process may have created a new one.
    var opened = stat(), named = stat()
    guard flock(lock, LOCK_EX | LOCK_NB) == 0, fstat(lock, &opened) == 0,
      stat("\(directory)/.sweep.lock", &named) == 0, opened.st_ino == named.st_ino
    else { throw SweepError.locked(directory: directory) }
    for folder in [directory, "\(directory)/\(Self.configs)"] { AtomicDirectory.removeLeftovers(in: folder) }
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    // This name works even if the executable has been replaced meanwhile.
    program = FileManager.default.isExecutableFile(atPath: own) ? own : "/proc/\(getpid())/exe"
  }

  deinit {
    unlink("\(plan.sweep.outputDir)/.sweep.lock")
    close(lock)
  }

  /// The folder of the runs' configs.
  private static let configs = "configs"

  /// Waits up to a minute for the runs of a killed sweep, which stop after their current step.
  func waitForEarlierRuns(onWait: () -> Void) throws {
    for attempt in 0..<600 where StopSignals.pending == nil {
      let runs = try SweepRuns(database: plan.sweep.database)
      guard try plan.left.contains(where: { try runs.latest($0.member)?.status == .running }) else { return }
      if attempt == 0 { onWait() }
      usleep(100_000)
    }
  }

  /// Trains the remaining runs, in parallel as planned. Returns when all have ended; a stop signal is passed on to every
  /// process.
  func run(onStart: (SweepPlan.Item) -> Void, onEnd: (Ending) -> Void) throws {
    var waiting = plan.left[...]
    var isStopping = false
    while !waiting.isEmpty || !working.isEmpty {
      if StopSignals.pending != nil {
        waiting = []
        if !isStopping { working.forEach { $0.process.terminate() } }
        isStopping = true
      }
      while working.count < plan.jobs, let item = waiting.popFirst() {
        working.append(try begin(item))
        onStart(item)
      }
      for index in working.indices.reversed() where !working[index].process.isRunning {
        onEnd(working.remove(at: index).ending())
      }
      if !working.isEmpty { usleep(20_000) }
    }
  }

  private func begin(_ item: SweepPlan.Item) throws -> Job {
    let configs = "\(plan.sweep.outputDir)/\(Self.configs)"
    try OutputDirectory(configs).create()
    let config = "\(configs)/\(item.member.label).json"
    try AtomicFile.write(item.member.config.jsonText(), to: config)
    let job = Job(item: item)
    job.process.executableURL = URL(fileURLWithPath: program)
    job.process.arguments = ["train", config, "--quiet", "--json", "--threads", String(plan.threads), start]
    job.process.environment = ProcessInfo.processInfo.environment.merging(ParentWatch.environment) { $1 }
    try job.begin()
    return job
  }

  /// A running process.
  private final class Job {
    let item: SweepPlan.Item
    let process = Process()
    private let errors = NSTemporaryDirectory() + "swift-peft-sweep-" + UUID().uuidString
    private let clock = ContinuousClock()
    private var started: ContinuousClock.Instant

    init(item: SweepPlan.Item) {
      self.item = item
      started = clock.now
    }

    func begin() throws {
      // Unlike a pipe, a file never blocks the writer.
      try AtomicFile.write("", to: errors)
      process.standardInput = FileHandle.nullDevice
      process.standardOutput = FileHandle.nullDevice
      process.standardError = FileHandle(forWritingAtPath: errors)
      started = clock.now
      do { try process.run() } catch {
        throw RunError.outputUnusable(directory: item.member.config.outputDir, reason: error.localizedDescription)
      }
    }

    func ending() -> Ending {
      process.waitUntilExit()
      let message = (try? String(contentsOfFile: errors, encoding: .utf8)) ?? ""
      try? FileManager.default.removeItem(atPath: errors)
      let wasKilled = process.terminationReason == .uncaughtSignal
      let length = (clock.now - started).components
      return Ending(
        item: item, status: wasKilled ? 128 + process.terminationStatus : process.terminationStatus, message: message,
        seconds: Double(length.seconds) + Double(length.attoseconds) * 1e-18)
    }
  }
}
