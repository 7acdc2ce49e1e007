import Configuration
import Diagnostics
import Reports
import RunStore
import StrictJSON

/// What a sweep prints at its end and writes to `sweep_results.json`.
struct SweepReport {
  private let sweep: SweepConfig
  private let members: [(member: SweepConfig.Member, run: RecordedRun?)]

  private let isPart: Bool

  /// The results of `members` as `records` has them: of all runs, or of those that this process was to train.
  init(_ sweep: SweepConfig, _ members: [SweepConfig.Member], _ records: SweepRecords, isPart: Bool) throws {
    self.sweep = sweep
    self.isPart = isPart
    self.members = try members.map { ($0, try records.recorded($0)) }
  }

  private var runs: [RecordedRun] { members.compactMap(\.run) }

  /// The runs that are not complete.
  var incomplete: [SweepConfig.Member] { members.filter { $0.run?.run.status != .completed }.map(\.member) }

  /// A table of means and standard deviations over the seeds.
  var text: String {
    (runs.isEmpty ? "" : ResultTable(runs).text)
      + listing([
        ("sweep", "\(sweep.name), \(members.count - incomplete.count) of \(members.count) runs"),
        ("output", sweep.outputDir), ("database", database),
      ])
  }

  /// What a worker did. A table of its runs alone would look like the result of the sweep.
  var workerText: String {
    if members.isEmpty { return "no run was left to train\n" }
    let trained = members.count - incomplete.count
    let count = members.count == 1 ? "1 run" : "\(members.count) runs"
    return listing([
      ("sweep", sweep.name),
      ("worker", "trained " + (incomplete.isEmpty ? count : "\(trained) of the \(count) that it took")),
      ("output", sweep.outputDir), ("database", database),
    ])
  }

  private var database: String {
    isPart ? "run.sqlite of each run; --collect gathers them in \(sweep.database)" : sweep.database
  }

  var json: String {
    let all: [JSONValue] = members.map { member, run in
      [
        "label": .string(member.label), "output_dir": .string(member.config.outputDir),
        "run_id": run.map { .integer(Int($0.run.id)) } ?? .null,
        "status": run.map { .string($0.run.status.rawValue) } ?? .null,
        "results": .members(run?.scores().map { ($0.name, .number($0.value)) } ?? []),
      ]
    }
    return JSONWriter.text(
      [
        "name": .string(sweep.name), "output_dir": .string(sweep.outputDir), "database": .string(sweep.database),
        "runs": .list(all), "results": ResultTable(runs).json,
      ], pretty: true)
  }
}

/// `sweep --plan`: the runs with the numbers that `--only` takes.
struct SweepList {
  private let sweep: SweepConfig
  private let done: [Bool]

  /// Throws the errors of all runs.
  init(_ sweep: SweepConfig) throws {
    self.sweep = sweep
    let records = try SweepRecords(sweep, readsOwn: true)
    var errors: [any UserFacingError] = []
    done = try sweep.members.map { member in
      do { return try records.completed(member) != nil } catch let error as any UserFacingError {
        errors.append(error)
        return false
      }
    }
    try ErrorList.throwIfAny(errors)
  }

  private func state(_ index: Int) -> String { done[index] ? "complete" : "to train" }
  private func config(_ member: SweepConfig.Member) -> String { SweepRunner.configPath(member, in: sweep.outputDir) }

  var text: String {
    TextTable(
      [["index", "run", "config", "state"]]
        + sweep.members.enumerated().map { index, member in
          [String(index), member.label, config(member), state(index)]
        }, right: [0]
    ).plain
  }

  var json: String {
    JSONWriter.text(
      [
        "name": .string(sweep.name), "output_dir": .string(sweep.outputDir), "database": .string(sweep.database),
        "runs": .list(
          sweep.members.enumerated().map { index, member in
            [
              "index": .integer(index), "label": .string(member.label), "config": .string(config(member)),
              "done": .bool(done[index]), "state": .string(state(index)),
            ]
          }),
      ], pretty: true)
  }
}

extension SweepPlan {
  /// The plan of a dry run.
  var text: String {
    TextTable(
      [["run", "adapter", "memory", "state"]]
        + items.map {
          [
            $0.member.label, grouped($0.run.table.parameterCount), byteSize($0.memory),
            $0.isDone ? "complete" : "to train",
          ]
        }, right: [1, 2]
    ).plain
      + "\(left.count) runs to train, \(jobs) in parallel, \(threads) threads each\n"
  }

  /// The same as JSON.
  func json(_ sweep: SweepConfig) -> String {
    JSONWriter.text(
      [
        "name": .string(sweep.name), "output_dir": .string(sweep.outputDir), "database": .string(sweep.database),
        "jobs": .integer(jobs), "threads": .integer(threads),
        "runs": .list(
          items.map {
            [
              "label": .string($0.member.label), "output_dir": .string($0.member.config.outputDir),
              "adapter_parameters": .integer($0.run.table.parameterCount), "memory_bytes": .integer($0.memory),
              "complete": .bool($0.isDone),
            ]
          }),
      ], pretty: true)
  }
}
