import Configuration
import Diagnostics
import Kernels
import RunStore
import Training

/// The work of a sweep on this machine: its runs, which of them are complete, and how many fit into memory at once.
struct SweepPlan {
  struct Item {
    let member: SweepConfig.Member
    let run: PreparedRun
    /// Estimated bytes of memory.
    let memory: Int
    let isDone: Bool
  }

  let items: [Item]
  let jobs: Int
  let threads: Int
  let notices: [String]

  /// Checks the runs `members` as far as their configs and the model's allow. Throws the errors of all of them.
  init(
    _ members: [SweepConfig.Member], _ records: SweepRecords, jobs: Int, threads: Int, overwrite: Bool
  ) throws {
    var errors: [any UserFacingError] = [], seen: Set<String> = [], items: [Item] = []
    for member in members {
      do {
        let run = try PreparedRun(member.config, inputs: .none)
        let isDone = try !overwrite && records.completed(member) != nil
        let memory = try MemoryEstimate(unread: run, threads: max(1, threads / jobs))
        items.append(Item(member: member, run: run, memory: memory.total, isDone: isDone))
      } catch let error as any UserFacingError {
        let all = (error as? ErrorList)?.errors ?? [error]
        errors += all.filter { seen.insert($0.description).inserted }
      }
    }
    try ErrorList.throwIfAny(errors)
    self.items = items

    let largest = items.filter { !$0.isDone }.map(\.memory).sorted(by: >)
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

  /// Checks the runs of a worker likewise, before it tries each: a model that this machine lacks is one mistake.
  static func check(_ members: [SweepConfig.Member]) throws {
    var errors: [any UserFacingError] = [], seen: Set<String> = []
    for member in members {
      do { _ = try PreparedRun(member.config, inputs: .none) } catch let error as any UserFacingError {
        errors += ((error as? ErrorList)?.errors ?? [error]).filter { seen.insert($0.description).inserted }
      }
    }
    try ErrorList.throwIfAny(errors)
  }

  /// The runs still to be trained.
  var left: [SweepConfig.Member] { items.filter { !$0.isDone }.map(\.member) }
}
