import Adapters
import Configuration
import Foundation
import Metrics
import Tasks
import Testing

@testable import Training

@Suite struct ResumeTests {
  /// Stops `job` after every single step, goes on from the disk with another number of threads, and compares.
  private func expectExact(_ job: Job, inEvaluation: Bool = false, sourceLocation: SourceLocation = #_sourceLocation)
    throws
  {
    let scratch = try Scratch()
    let whole = try job.run(job.trainer())
    for stop in 1..<whole.state.step {
      let path = scratch.place("step-\(stop)")
      let first = try job.run(job.trainer(), stopAfter: stop, inEvaluation: inEvaluation, writingTo: path)
      if inEvaluation, !FileManager.default.fileExists(atPath: path) { continue }
      guard first.outcome.wasInterrupted else { continue }
      var other = job
      other.threads = 1 + stop % 3
      let second = try other.run(other.trainer(from: path))
      #expect(
        first.events + second.events == whole.events, "events, stopped after \(stop)", sourceLocation: sourceLocation)
      #expect(second.state.table == whole.state.table, sourceLocation: sourceLocation)
      let same =
        second.state.everything.filter { !$0.key.hasSuffix(" 1") && !$0.key.hasSuffix(" 2") }
        == whole.state.everything.filter { !$0.key.hasSuffix(" 1") && !$0.key.hasSuffix(" 2") }
      #expect(same, "tensors, stopped after \(stop)", sourceLocation: sourceLocation)
      if !job.config.loadBestModelAtEnd {
        #expect(
          second.state.everything == whole.state.everything, "moments, stopped after \(stop)",
          sourceLocation: sourceLocation)
      }
      #expect(
        second.outcome.reports.map(\.metrics) == whole.outcome.reports.map(\.metrics), sourceLocation: sourceLocation)
    }
  }

  /// Methods with tensors or options of their own: MethodTests, DEALTests.
  @Test(arguments: AdapterMethod.all.filter { $0.form == nil && $0.declaredOptions.isEmpty }.map(\.name))
  func everyStrategyFromEveryStep(strategy: String) throws { try expectExact(Job(strategy)) }

  @Test func mergesThatAverage() throws {
    // The direction is not part of the job, but of the plan that the checkpoint keeps.
    let scratch = try Scratch()
    let state = try Job("aslora").trainer().state
    let procedure = try mergingProcedure(
      ASLoRAOptions(
        startStep: 2, mergeInterval: 3, numMerges: 2, candidates: .all, metric: .cosine, direction: .average),
      state.table, totalSteps: 20)
    let snapshot = TrainingSnapshot(state: state, loop: LoopState(), totalSteps: 20, procedure: procedure)
    try Job.content(snapshot).write(to: scratch.place("step-0"))
    let read = try Checkpoint(path: scratch.place("step-0")).snapshot(table: state.table, head: state.head)
    let fields = try require(read.procedure).checkpoint.fields
    #expect(fields.map(\.key) == procedure.checkpoint.fields.map(\.key))
    #expect(fields.map(\.value) == procedure.checkpoint.fields.map(\.value) && read.totalSteps == 20)
  }

  @Test func theBestStateAndPatience() throws {
    var job = Job("aslora")
    job.config.learningRate = 0.2
    job.config.loadBestModelAtEnd = true
    let whole = try job.run(job.trainer())
    #expect(whole.state.step < 20, "the best state must not be the last for this test to say something")
    try expectExact(job)
    job.config.metricForBestModel = "accuracy"
    job.config.earlyStoppingPatience = 2
    try expectExact(job)
    #expect(try job.run(job.trainer()).events.contains { $0.hasPrefix("stopped early") })
  }

  @Test func stoppedWhileItIsScored() throws { try expectExact(Job("lora"), inEvaluation: true) }

  @Test func stoppingBringsNoLogLineAndNoScoresOfItsOwn() throws {
    let job = Job("lora")
    let stopped = try job.run(job.trainer(), stopAfter: 3)
    #expect(stopped.outcome.wasInterrupted && stopped.outcome.reports.isEmpty)
    #expect(stopped.events.count == 1 && stopped.events[0].hasPrefix("3 "))
  }

  @Test func checkpointsAreDueEverySoManyStepsAtEpochEndsAndAtTheEnd() throws {
    func due(_ saveSteps: Int, maxSteps: Int) throws -> [Int] {
      var job = Job("lora")
      job.config.saveSteps = saveSteps
      job.config.maxSteps = maxSteps
      job.config.evalStrategy = .no
      var trainer = try job.trainer(), steps: [Int] = []
      _ = try trainer.run { if case .checkpoint(let snapshot) = $0 { steps.append(snapshot.state.step) } }
      return steps
    }
    #expect(try due(3, maxSteps: 10) == [3, 4, 6, 8, 9, 10])
    #expect(try due(500, maxSteps: 10) == [4, 8, 10])
    #expect(try due(0, maxSteps: 10) == [10])
  }

  @Test func aSnapshotSharesNoMemory() throws {
    let job = Job("aslora")
    var trainer = try job.trainer()
    let before = trainer.snapshot(), copy = before.state.everything
    _ = try trainer.run { _ in }
    #expect(before.state.everything == copy && trainer.state.everything != copy)
  }

  @Test func numbersThatAreNoneSurvive() throws {
    let scratch = try Scratch()
    let trainer = try Job("lora").trainer()
    var loop = LoopState()
    loop.window.lossSum = 0.1 + 0.2
    loop.window.lastEpoch = -0.0
    loop.window.seconds = .infinity
    loop.reports = [
      EvaluationReport(
        step: 3, epoch: 1.0 / 3, split: .test,
        metrics: [MetricValue(name: "pearson", value: .nan), MetricValue(name: "loss", value: -.infinity)], examples: 4,
        logits: [])
    ]
    try Job.content(TrainingSnapshot(state: trainer.state, loop: loop, totalSteps: 20, procedure: nil))
      .write(to: scratch.place("a"))
    let read = try Checkpoint(path: scratch.place("a")).snapshot(table: trainer.state.table, head: trainer.state.head)
    #expect(read.loop.window == loop.window && read.loop.window.lastEpoch.sign == .minus)
    #expect(read.loop.reports[0].metrics.map(\.name) == ["pearson", "loss"])
    #expect(read.loop.reports[0].metrics[0].value.isNaN && read.loop.reports[0].metrics[1].value == -.infinity)
    #expect(read.loop.reports[0].epoch == 1.0 / 3)
  }
}
