import Checkpoints
import Configuration
import Diagnostics
import Foundation
import Kernels
import Reports
import RunStore
import Training

/// The work of a sweep: its runs, which of them are complete, and how many fit into memory at once.
struct SweepPlan {
  struct Item {
    let member: SweepConfig.Member
    let run: PreparedRun
    /// Estimated bytes of memory.
    let memory: Int
    /// Its row in the database if it is complete.
    let done: Run?
  }

  let sweep: SweepConfig
  let items: [Item]
  let jobs: Int
  let threads: Int
  let notices: [String]

  /// Checks every run as far as its config and the model's allow. Throws the errors of all runs.
  init(_ sweep: SweepConfig, jobs: Int, threads: Int, overwrite: Bool) throws {
    self.sweep = sweep
    var errors: [any UserFacingError] = [], seen: Set<String> = [], items: [Item] = []
    let known = try SweepDatabase(database: sweep.database)
    for member in sweep.members {
      do {
        let run = try PreparedRun(member.config, inputs: .none)
        let done = overwrite ? nil : try known.completed(member)
        let memory = try MemoryEstimate(unread: run, threads: max(1, threads / jobs))
        items.append(Item(member: member, run: run, memory: memory.total, done: done))
      } catch let error as any UserFacingError {
        let all = (error as? ErrorList)?.errors ?? [error]
        errors += all.filter { seen.insert($0.description).inserted }
      }
    }
    try ErrorList.throwIfAny(errors)
    self.items = items

    let largest = items.filter { $0.done == nil }.map(\.memory).sorted(by: >)
    let wanted = max(1, min(jobs, largest.count))
    let available = SystemFacts().availableMemory ?? .max
    let fitting = (1...wanted).last { largest.prefix($0).reduce(0, +) <= available } ?? 1
    self.jobs = fitting
    self.threads = max(1, threads / fitting)
    notices =
      fitting < wanted
      ? [
        "\(fitting) parallel runs instead of \(wanted): each takes about \(byteSize(largest.first ?? 0)), and "
          + "\(byteSize(available)) of memory are available"
      ] : []
  }

  /// The runs still to be trained.
  var left: [Item] { items.filter { $0.done == nil } }
}

/// The runs of a sweep in the database.
struct SweepDatabase {
  private let store: RunStore?

  /// A new sweep may not have a database yet.
  init(database: String) throws {
    store = FileManager.default.fileExists(atPath: database) ? try RunStore.openExisting(path: database) : nil
  }

  /// The latest run of `member`; nil if there is none.
  func latest(_ member: SweepConfig.Member) throws -> Run? {
    try store?.runs(RunFilter(outputDir: member.config.outputDir)).max { $0.id < $1.id }
  }

  /// The same with everything recorded about it.
  func recorded(_ member: SweepConfig.Member) throws -> RecordedRun? {
    guard let store, let run = try latest(member) else { return nil }
    return try RecordedRun(run, in: store)
  }

  /// The run of `member` if it is complete. Throws if a run with another config is in its place.
  func completed(_ member: SweepConfig.Member) throws -> Run? {
    let directory = member.config.outputDir
    guard let run = try latest(member), run.status == .completed, (try? RunDirectory(directory)) != nil else {
      return nil
    }
    var stored = try RunConfig.load(text: run.details.config, file: "\(directory)/run_config.json")
    (stored.name, stored.outputDir, stored.database) = (
      member.config.name, member.config.outputDir, member.config.database
    )
    if stored != member.config { throw SweepError.otherConfig(directory: directory) }
    return run
  }
}

/// Why a sweep cannot start.
enum SweepError: UserFacingError, Equatable {
  /// The directory for one of the runs holds a finished run with another config.
  case otherConfig(directory: String)
  /// Another process is running the same sweep.
  case locked(directory: String)

  var description: String {
    switch self {
    case .otherConfig(let directory):
      "\(directory): holds a finished run with another config; choose another output_dir, or use --overwrite to "
        + "retrain all runs of the sweep"
    case .locked(let directory): "\(directory): another process is running this sweep"
    }
  }

  var exitStatus: ExitStatus { .cannotCreate }
}

/// Trains the runs of a sweep, each in its own process.
///
/// So a failing run cannot affect the others, and its memory is freed when it ends.
final class SweepRunner {
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
      let runs = try SweepDatabase(database: plan.sweep.database)
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
        // Slurm sends its signals to them too; of these, only SIGUSR1 may come twice.
        if !isStopping { working.forEach { kill($0.process.processIdentifier, SIGUSR1) } }
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
