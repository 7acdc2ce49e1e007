import Checkpoints
import Configuration
import Diagnostics
import Foundation
import RunStore
import Training

/// Keeps a second ordinary sweep out of a sweep's directory, as long as this object and its process live.
final class SweepLock {
  private let path: String
  private let descriptor: Int32

  /// Locks `directory`. Throws if another process holds it.
  init(_ directory: String) throws {
    try OutputDirectory(directory).create()
    path = "\(directory)/.sweep.lock"
    descriptor = try Self.lock(path, directory)
    for folder in [directory, "\(directory)/\(SweepRunner.configs)"] { AtomicDirectory.removeLeftovers(in: folder) }
  }

  deinit {
    unlink(path)
    close(descriptor)
  }

  /// Not in `init`, which would run `deinit` if it threw: the file would go from under the process that has the lock.
  private static func lock(_ path: String, _ directory: String) throws -> Int32 {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw RunError.outputUnusable(directory: directory, reason: String(cString: strerror(errno)))
    }
    // A sweep that ends deletes its lock file; another process may have created a new one.
    var opened = stat(), named = stat()
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, fstat(descriptor, &opened) == 0, stat(path, &named) == 0,
      opened.st_ino == named.st_ino
    else {
      close(descriptor)
      throw SweepError.locked(directory: directory)
    }
    return descriptor
  }
}

/// Trains runs of a sweep, each in its own process.
///
/// So a failing run cannot affect the others, and its memory is freed when it ends.
struct SweepRunner {
  struct Ending {
    let member: SweepConfig.Member
    let status: Int32
    /// Its stderr.
    let message: String
    let seconds: Double

    /// Whether another process was faster: it is training this run.
    var wasTaken: Bool {
      let directory = member.config.outputDir
      return status == ExitStatus.cannotCreate.rawValue
        && message.contains(RunError.outputLocked(directory: directory, holder: "").description)
    }
  }

  /// The directory of all runs.
  let directory: String
  let jobs: Int
  let threads: Int
  let overwrite: Bool
  /// Whether each run is recorded in a database of its own.
  let hasOwnDatabases: Bool

  /// The folder of the runs' configs.
  static let configs = "configs"

  /// The config of `member` as its process reads it.
  static func configPath(_ member: SweepConfig.Member, in directory: String) -> String {
    "\(directory)/\(configs)/\(member.label).json"
  }

  /// The file of this program. The other name works even if that has been replaced meanwhile.
  static var program: String {
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return FileManager.default.isExecutableFile(atPath: own) ? own : "/proc/\(getpid())/exe"
  }

  /// Trains the runs that `next` gives until there is none, in parallel. Returns when all have ended; a stop signal is
  /// passed on to every process.
  func run(
    next: () throws -> SweepConfig.Member?, onStart: (SweepConfig.Member) -> Void, onEnd: (Ending) -> Void
  ) throws {
    var working: [Job] = []
    var isStopping = false, isLast = false
    while true {
      if !isStopping, StopSignals.pending != nil {
        // Slurm sends its signals to them too; of these, only SIGUSR1 may come twice.
        working.forEach { kill($0.process.processIdentifier, SIGUSR1) }
        (isStopping, isLast) = (true, true)
      }
      while !isLast, working.count < jobs {
        guard let member = try next() else {
          isLast = working.isEmpty
          break
        }
        working.append(try begin(member))
        onStart(member)
      }
      for index in working.indices.reversed() where !working[index].process.isRunning {
        onEnd(working.remove(at: index).ending())
      }
      if working.isEmpty, isLast { return }
      usleep(20_000)
    }
  }

  private func begin(_ member: SweepConfig.Member) throws -> Job {
    let config = Self.configPath(member, in: directory)
    try OutputDirectory("\(directory)/\(Self.configs)").create()
    try AtomicFile.write(member.config.jsonText(), to: config)
    let job = Job(member: member)
    job.process.executableURL = URL(fileURLWithPath: Self.program)
    var arguments = [
      "train", config, "--quiet", "--json", "--threads", String(threads), overwrite ? "--overwrite" : "--resume",
    ]
    if hasOwnDatabases {
      // Where the directory exists, a process locks it before it reads anything: the others learn early who was first.
      // If it cannot be created, the process says so.
      try? OutputDirectory(member.config.outputDir).create()
      arguments += ["--own-database", SweepRecords.ownDatabase(member)]
    }
    job.process.arguments = arguments
    job.process.environment = LauncherEnvironment.removed(from: ProcessInfo.processInfo.environment)
      .merging(ParentWatch.environment) { $1 }
    try job.begin()
    return job
  }

  private final class Job {
    let member: SweepConfig.Member
    let process = Process()
    private let errors = NSTemporaryDirectory() + "swift-peft-sweep-" + UUID().uuidString
    private let clock = ContinuousClock()
    private var started: ContinuousClock.Instant

    init(member: SweepConfig.Member) {
      self.member = member
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
        throw RunError.outputUnusable(directory: member.config.outputDir, reason: error.localizedDescription)
      }
    }

    func ending() -> Ending {
      process.waitUntilExit()
      let message = (try? String(contentsOfFile: errors, encoding: .utf8)) ?? ""
      try? FileManager.default.removeItem(atPath: errors)
      let wasKilled = process.terminationReason == .uncaughtSignal
      let length = (clock.now - started).components
      return Ending(
        member: member, status: wasKilled ? 128 + process.terminationStatus : process.terminationStatus,
        message: message, seconds: Double(length.seconds) + Double(length.attoseconds) * 1e-18)
    }
  }
}
