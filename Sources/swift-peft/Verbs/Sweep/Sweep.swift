import ArgumentParser
import Checkpoints
import Configuration
import Diagnostics
import Foundation
import Reports
import RunStore
import Training

/// `swift-peft sweep CONFIG`.
struct Sweep: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train every combination of the values in a config's \"sweep\" section.",
    discussion: """
      EXAMPLE: swift-peft sweep configs/quickstart-sweep.json --plan
      EXAMPLE: swift-peft sweep configs/quickstart-sweep.json --only 0
      EXAMPLE: swift-peft sweep configs/quickstart-sweep.json --worker
      EXAMPLE: swift-peft sweep configs/quickstart-sweep.json --collect
      EXAMPLE: swift-peft sweep configs/quickstart-sweep.json --slurm > array.sh
      EXAMPLE: swift-peft sweep configs/quickstart-sweep.json --jobs 2

      The config is a run config with an additional section of paths and lists of values: \
      "sweep": { "adapter.strategy": ["lora", "aslora"], "training.seed": [1, 2, 3] }

      Each run gets its own directory in output_dir. To continue a stopped sweep, repeat the command: complete runs are \
      kept, others are resumed from their last checkpoint. Finally prints a table of means and standard deviations over \
      the seeds, and writes it to output_dir/sweep_results.json.

      Several machines with a common output_dir can share a sweep: start it with --worker on each, or its runs with \
      --only. Then each run is recorded in a database in its own directory; --collect brings these into the config's, \
      and prints the table.
      """)

  @Argument(help: "The config (JSON) with a \"sweep\" section.", completion: .file(extensions: ["json"]))
  var config: String

  @OptionGroup var options: ConfigOptions
  @OptionGroup var parts: SweepPartOptions

  @Option(help: ArgumentHelp("Maximum parallel runs, memory permitting; they share the threads.", valueName: "n"))
  var jobs: Int?

  @Flag(help: "Retrain all runs, including complete ones.")
  var overwrite = false

  @Flag(help: "Check everything and print the runs, without training or writing anything.")
  var dryRun = false

  func validate() throws {
    try check("--jobs", jobs, atLeast: 1)
    try parts.validate(with: [
      ("--overwrite", overwrite), ("--dry-run", dryRun), ("--jobs", jobs != nil),
      ("--threads", options.threads.threads != nil), ("--json", options.report.json),
    ])
  }

  func run() throws {
    let sweep = try SweepConfig.load(
      path: config, overrides: options.override.overrides, outputDir: options.outputDir, database: options.database)
    switch parts.part {
    case .plan:
      let list = try SweepList(sweep)
      try Console.print(options.report.json ? list.json : list.text)
    case .slurm: try printScript(sweep)
    case .collect: try collect(sweep)
    case .worker: try work(sweep)
    case .only(let range): try train(sweep, sweep.members(range), isPart: true)
    case nil: try train(sweep, sweep.members, isPart: false)
    }
  }

  // MARK: - The parts

  /// Trains `members`: all of them, or as a part of what several machines do.
  private func train(_ sweep: SweepConfig, _ members: [SweepConfig.Member], isPart: Bool) throws {
    let records = try SweepRecords(sweep, readsOwn: isPart)
    let plan = try SweepPlan(
      members, records, jobs: jobs ?? 1, threads: options.threads.count, overwrite: overwrite)
    plan.notices.forEach { note("note: \($0)") }
    if dryRun { return try Console.print(options.report.json ? plan.json(sweep) : plan.text) }

    StopSignals.deferStops()
    let total = members.count
    var left = plan.left[...], failures: [SweepRunner.Ending] = [], ended = total - left.count
    if ended > 0 { note("\(ended) of \(total) runs are already complete") }
    let lock = isPart ? nil : try lock(sweep, plan.left)
    let runner = SweepRunner(
      directory: sweep.outputDir, jobs: plan.jobs, threads: plan.threads, overwrite: overwrite,
      hasOwnDatabases: isPart)
    try withExtendedLifetime(lock) {
      try runner.run(next: { left.popFirst() }, onStart: { note("training \($0.label)") }) { ending in
        ended += 1
        if !tell(ending, sweep, isPart, "\(ended)/\(total) ") { failures.append(ending) }
      }
      try report(sweep, members, isPart: isPart)
    }
    try conclude(failures, of: plan.left.count)
  }

  /// Keeps other ordinary sweeps out, and waits up to a minute for the runs of a killed one, which stop after their
  /// current step.
  private func lock(_ sweep: SweepConfig, _ left: [SweepConfig.Member]) throws -> SweepLock {
    if let notice = RunStore.notice(sweep.database) { note("note: \(notice)") }
    let lock = try SweepLock(sweep.outputDir)
    for attempt in 0..<600 where StopSignals.pending == nil {
      let records = try SweepRecords(sweep, readsOwn: false)
      guard try left.contains(where: { try records.latest($0)?.status == .running }) else { break }
      if attempt == 0 { note("waiting for the runs of an earlier sweep to stop") }
      usleep(100_000)
    }
    return lock
  }

  /// Trains what other processes leave, until none is left.
  private func work(_ sweep: SweepConfig) throws {
    try SweepPlan.check(sweep.members)
    try SweepRecords(sweep, readsOwn: true).requireSameConfig(sweep.members)
    StopSignals.deferStops()
    let total = sweep.members.count
    var worker = SweepWorker(sweep, first: .random(in: 0..<total))
    var trained: [SweepConfig.Member] = [], failures: [SweepRunner.Ending] = []
    let runner = SweepRunner(
      directory: sweep.outputDir, jobs: 1, threads: options.threads.count, overwrite: false, hasOwnDatabases: true)
    try runner.run(next: { try worker.next() }, onStart: { note("training \($0.label)") }) { ending in
      worker.ended(ending)
      if ending.wasTaken { return note("\(ending.member.label) was taken by another process") }
      trained.append(ending.member)
      if !tell(ending, sweep, true, "") { failures.append(ending) }
    }
    for failure in worker.failures { _ = tell(failure, sweep, true, "") }
    if StopSignals.pending == nil {
      note("\(worker.complete) of \(total) runs are complete")
      if let notice = worker.othersNotice { note(notice) }
    }
    let order = sweep.members.filter { member in trained.contains { $0.label == member.label } }
    // Where runs failed or a signal came, it is not true that none was left.
    if !trained.isEmpty || options.report.json || (worker.failures.isEmpty && StopSignals.pending == nil) {
      try report(sweep, order, isPart: true)
    }
    try conclude(failures + worker.failures, of: trained.count + worker.failures.count)
  }

  private func collect(_ sweep: SweepConfig) throws {
    if let notice = RunStore.notice(sweep.database) { note("note: \(notice)") }
    let collection = try SweepCollection(sweep)
    note(collection.imported.text)
    try report(sweep, sweep.members, isPart: false)
    try ErrorList.throwIfAny(collection.errors)
  }

  private func printScript(_ sweep: SweepConfig) throws {
    var flags = options.override.overrides.flatMap { ["--set", $0] }
    if let directory = options.outputDir { flags += ["--output-dir", directory] }
    if let database = options.database { flags += ["--database", database] }
    if options.report.quiet { flags.append("--quiet") }
    let script = SlurmScript(
      sweep: sweep, config: config, flags: flags, threads: options.threads.threads, jobs: jobs)
    if let notice = script.notice { note("note: \(notice)") }
    try Console.print(script.text)
  }

  // MARK: - What is said

  /// Says how a run ended; false if it failed. Runs that a signal stopped do not count.
  private func tell(_ ending: SweepRunner.Ending, _ sweep: SweepConfig, _ isPart: Bool, _ count: String) -> Bool {
    let label = ending.member.label
    if ending.status == 0 {
      let run = try? SweepRecords(sweep, readsOwn: isPart).recorded(ending.member)
      let score = run?.mainScore.map { ", \($0.name) \(fixed($0.value, 4))" } ?? ""
      note("\(count)\(label) in \(duration(.seconds(ending.seconds)))\(score)")
      return true
    }
    if StopSignals.pending != nil {
      note("\(label) was stopped")
      return true
    }
    let lines = ending.message.isEmpty ? "ended with status \(ending.status)" : ending.message
    for line in lines.split(separator: "\n") { Console.note("\(label): \(line)") }
    return false
  }

  /// Prints the results; those of a whole sweep are written to a file too.
  private func report(_ sweep: SweepConfig, _ members: [SweepConfig.Member], isPart: Bool) throws {
    let report = try SweepReport(sweep, members, SweepRecords(sweep, readsOwn: isPart), isPart: isPart)
    if !isPart { try AtomicFile.write(report.json, to: "\(sweep.outputDir)/sweep_results.json") }
    let text = parts.worker ? report.workerText : report.text
    try Console.print(options.report.json ? report.json : text)
    if parts.collect, !report.incomplete.isEmpty {
      note("not complete: \(report.incomplete.map(\.label).firstThree)")
    }
  }

  /// Ends with the status of the first failure, or of the signal that stopped the sweep.
  private func conclude(_ failures: [SweepRunner.Ending], of count: Int) throws {
    if let number = StopSignals.pending {
      note("stopped; repeat the command to continue")
      throw ExitCode(128 + number)
    }
    if let failure = failures.first {
      Console.note("swift-peft: error: \(failures.count) of \(count) runs failed")
      throw ExitCode(failure.status)
    }
  }

  private func note(_ text: String) { if !options.report.quiet { Console.note(text) } }
}
