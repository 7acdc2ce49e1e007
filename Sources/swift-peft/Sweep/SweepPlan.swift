import Configuration
import Diagnostics
import Foundation
import Reports
import RunStore
import Training

/// The work of a sweep: its runs, which of them are complete, and how many fit into memory at once.
struct SweepPlan {
  /// A run of the sweep.
  struct Item {
    let member: SweepConfig.Member
    let plan: RunPlan
    /// Estimated bytes of memory.
    let memory: Int
    /// Its row in the database if it is complete.
    let done: Run?
  }

  let sweep: SweepConfig
  let items: [Item]
  /// Parallel runs.
  let jobs: Int
  /// Worker threads of each run.
  let threads: Int
  /// Notes for the user.
  let notices: [String]

  /// Checks every run as far as its config and the model's allow. Throws the errors of all runs.
  init(_ sweep: SweepConfig, jobs: Int, threads: Int, overwrite: Bool) throws {
    self.sweep = sweep
    var errors: [any UserFacingError] = [], seen: Set<String> = [], items: [Item] = []
    let known = try SweepRuns(database: sweep.database)
    for member in sweep.members {
      do {
        let plan = try RunPlan(member.config)
        let done = overwrite ? nil : try known.completed(member)
        let memory = try MemoryEstimate(
          plan, trainable: plan.table.parameterCount, outputs: member.config.task.name.isLanguageModelling ? 0 : 2,
          lengths: nil, order: nil, threads: max(1, threads / jobs))
        items.append(Item(member: member, plan: plan, memory: memory.total, done: done))
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
struct SweepRuns {
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
