import ArgumentParser
import Checkpoints
import Configuration
import Diagnostics
import Reports
import RunStore
import StrictJSON
import Training

/// `swift-peft sweep CONFIG`.
struct Sweep: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train every combination of the values in a config's \"sweep\" section.",
    discussion: """
      EXAMPLE: swift-peft sweep configs/quickstart-sweep.json --jobs 2

      The config is a run config with an additional section of paths and lists of values: \
      "sweep": { "adapter.strategy": ["lora", "aslora"], "training.seed": [1, 2, 3] }

      Each run gets its own directory in output_dir. To continue a stopped sweep, repeat the command: complete runs are \
      kept, others are resumed from their last checkpoint. Finally prints a table of means and standard deviations over \
      the seeds, and writes it to output_dir/sweep_results.json.
      """)

  @Argument(help: "The config (JSON) with a \"sweep\" section.", completion: .file(extensions: ["json"]))
  var config: String

  @OptionGroup var options: ConfigOptions

  @Option(help: ArgumentHelp("Maximum parallel runs, memory permitting; they share the threads.", valueName: "n"))
  var jobs = 1

  @Flag(help: "Retrain all runs, including complete ones.")
  var overwrite = false

  @Flag(help: "Check everything and print the runs, without training or writing anything.")
  var dryRun = false

  func validate() throws { try check("--jobs", jobs, atLeast: 1) }

  func run() throws {
    let sweep = try SweepConfig.load(
      path: config, overrides: options.override.overrides, outputDir: options.outputDir, database: options.database)
    let plan = try SweepPlan(sweep, jobs: jobs, threads: options.threads.count, overwrite: overwrite)
    plan.notices.forEach { note("note: \($0)") }
    if dryRun { return try Console.print(options.report.json ? planJSON(plan) : planText(plan)) }

    StopSignals.deferStops()
    let failures = try train(plan)
    let runs = try SweepDatabase(database: sweep.database)
    let recorded = try sweep.members.compactMap { try runs.recorded($0) }
    let json = try resultJSON(plan, runs, recorded)
    try AtomicFile.write(json, to: "\(sweep.outputDir)/sweep_results.json")
    try Console.print(options.report.json ? json : text(plan, recorded))
    if let number = StopSignals.pending {
      note("stopped; repeat the command to continue")
      throw ExitCode(128 + number)
    }
    if let failure = failures.first {
      Console.note("swift-peft: error: \(failures.count) of \(plan.left.count) runs failed")
      throw ExitCode(failure.status)
    }
  }

  /// Returns the runs that failed; stopped runs do not count.
  private func train(_ plan: SweepPlan) throws -> [SweepRunner.Ending] {
    let total = plan.items.count, kept = total - plan.left.count
    if kept > 0 { note("\(kept) of \(total) runs are already complete") }
    let runner = try SweepRunner(plan, overwrite: overwrite)
    try runner.waitForEarlierRuns { note("waiting for the runs of an earlier sweep to stop") }
    var failures: [SweepRunner.Ending] = [], ended = kept
    try runner.run(
      onStart: { note("training \($0.member.label)") },
      onEnd: { ending in
        ended += 1
        let label = ending.item.member.label
        if ending.status == 0 {
          note("\(ended)/\(total) \(label) in \(duration(.seconds(ending.seconds)))\(score(ending.item))")
        } else if StopSignals.pending != nil {
          note("\(label) was stopped")
        } else {
          failures.append(ending)
          let lines = ending.message.isEmpty ? "ended with status \(ending.status)" : ending.message
          for line in lines.split(separator: "\n") { Console.note("\(label): \(line)") }
        }
      })
    return failures
  }

  private func score(_ item: SweepPlan.Item) -> String {
    let run = try? SweepDatabase(database: item.member.config.database).recorded(item.member)
    return run?.mainScore.map { ", \($0.name) \(fixed($0.value, 4))" } ?? ""
  }

  private func note(_ text: String) { if !options.report.quiet { Console.note(text) } }

  // MARK: - Texts

  private func text(_ plan: SweepPlan, _ runs: [RecordedRun]) -> String {
    (runs.isEmpty ? "" : ResultTable(runs).text)
      + listing([
        (
          "sweep",
          "\(plan.sweep.name), \(runs.filter { $0.run.status == .completed }.count) of \(plan.items.count) runs"
        ),
        ("output", plan.sweep.outputDir), ("database", plan.sweep.database),
      ])
  }

  private func resultJSON(_ plan: SweepPlan, _ runs: SweepDatabase, _ recorded: [RecordedRun]) throws -> String {
    let members: [JSONValue] = try plan.items.map { item in
      let run = try runs.recorded(item.member)
      return [
        "label": .string(item.member.label), "output_dir": .string(item.member.config.outputDir),
        "run_id": run.map { .integer(Int($0.run.id)) } ?? .null,
        "status": run.map { .string($0.run.status.rawValue) } ?? .null,
        "results": .members(run?.scores().map { ($0.name, .number($0.value)) } ?? []),
      ]
    }
    return JSONWriter.text(
      [
        "name": .string(plan.sweep.name), "output_dir": .string(plan.sweep.outputDir),
        "database": .string(plan.sweep.database), "runs": .list(members), "results": ResultTable(recorded).json,
      ], pretty: true)
  }

  private func planText(_ plan: SweepPlan) -> String {
    TextTable(
      [["run", "adapter", "memory", "state"]]
        + plan.items.map {
          [
            $0.member.label, grouped($0.run.table.parameterCount), byteSize($0.memory),
            $0.done == nil ? "to train" : "complete",
          ]
        }, right: [1, 2]
    ).plain
      + "\(plan.left.count) runs to train, \(plan.jobs) in parallel, \(plan.threads) threads each\n"
  }

  private func planJSON(_ plan: SweepPlan) -> String {
    JSONWriter.text(
      [
        "name": .string(plan.sweep.name), "output_dir": .string(plan.sweep.outputDir),
        "database": .string(plan.sweep.database), "jobs": .integer(plan.jobs), "threads": .integer(plan.threads),
        "runs": .list(
          plan.items.map {
            [
              "label": .string($0.member.label), "output_dir": .string($0.member.config.outputDir),
              "adapter_parameters": .integer($0.run.table.parameterCount), "memory_bytes": .integer($0.memory),
              "complete": .bool($0.done != nil),
            ]
          }),
      ], pretty: true)
  }
}
