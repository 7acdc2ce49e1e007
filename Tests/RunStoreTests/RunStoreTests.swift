import Foundation
import RunStore
import Testing

@Suite struct RunStoreTests {
  let scratch: Scratch
  let store: RunStore

  init() throws {
    scratch = try Scratch()
    store = try RunStore(path: scratch.path("runs.sqlite"))
  }

  @Test func aRunBeginsAndEnds() throws {
    let id = try store.beginRun(.example())
    let begun = try store.run(id)
    #expect(begun.status == .running)
    #expect(begun.details == .example())
    #expect(begun.finishedAt == nil)

    let merged = ParameterCounts(adapter: 73_728, trainable: 665_858, total: 124_913_984)
    try store.finishRun(id, status: .completed, parameters: merged)
    let ended = try store.run(id)
    #expect(ended.status == .completed)
    #expect(ended.details.parameters == merged)
    #expect(try #require(ended.finishedAt) >= ended.startedAt)
  }

  @Test func countsStayWhereNoneAreGiven() throws {
    let id = try store.beginRun(.example())
    try store.finishRun(id, status: .interrupted)
    #expect(try store.run(id).details == .example())
    #expect(try store.run(id).status == .interrupted)
  }

  @Test func timesAreISO8601InUTC() throws {
    let started = try store.run(store.beginRun(.example())).startedAt
    #expect(started.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil)
    let time = try Date(started, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    #expect(abs(time.timeIntervalSinceNow) < 60)
  }

  @Test func metricsAreReplacedNotRepeated() throws {
    let id = try store.beginRun(.example())
    let loss = MetricPoint(step: 10, epoch: 0.5, split: .train, name: "loss", value: 0.7)
    let accuracy = MetricPoint(step: 10, epoch: 0.5, split: .validationMismatched, name: "accuracy", value: 0.9)
    try store.record(run: id, metrics: [accuracy, loss])
    var better = loss
    better.value = 0.6
    try store.record(run: id, metrics: [better])
    #expect(try store.metrics(run: id) == [better, accuracy])
    #expect(try store.metrics(run: id + 1).isEmpty)
  }

  @Test func numbersThatAreNoneSurvive() throws {
    let id = try store.beginRun(.example())
    let values = [Double.nan, .infinity, -.infinity, 1e-300, 0.1]
    try store.record(
      run: id,
      metrics: values.enumerated().map {
        MetricPoint(step: $0.offset, epoch: 0, split: .train, name: "loss", value: $0.element)
      })
    let read = try store.metrics(run: id).map(\.value)
    #expect(read[0].isNaN)
    #expect(Array(read[1...]) == Array(values[1...]))
  }

  @Test func mergesAndCheckpointsAreKept() throws {
    let id = try store.beginRun(.example())
    let merge = MergeRecord(step: 560, module: "query", lowerLayer: 3, upperLayer: 4, distance: 0.25, groupsLeft: 11)
    try store.record(run: id, [.merge(merge)])
    #expect(try store.merges(run: id) == [merge])

    try store.record(run: id, [.checkpoint(step: 500, path: "a")])
    try store.record(run: id, [.checkpoint(step: 1000, path: "b")])
    try store.record(run: id, [.checkpoint(step: 1000, path: "c")])
    #expect(try store.checkpoints(run: id).map(\.path) == ["a", "c"])
    try store.record(run: id, [.checkpointRemoved(step: 500)])
    #expect(try store.checkpoints(run: id).map(\.step) == [1000])
  }

  @Test func resumingDropsWhatWillBeRecordedAgainAndAddsWhatIsMissing() throws {
    let id = try store.beginRun(.example(), token: "one"), other = try store.beginRun(.example(), token: "other")
    func loss(_ step: Int) -> MetricPoint {
      MetricPoint(step: step, epoch: 0, split: .train, name: "loss", value: Double(step))
    }
    func merge(_ step: Int) -> MergeRecord {
      MergeRecord(step: step, module: "m", lowerLayer: 0, upperLayer: 1, distance: 0, groupsLeft: 1)
    }
    for run in [id, other] {
      for step in [10, 20, 30] {
        try store.record(run: run, metrics: [loss(step)])
        try store.record(run: run, [.merge(merge(step))])
        try store.record(run: run, [.checkpoint(step: step, path: "p")])
      }
    }
    try store.finishRun(id, status: .interrupted)
    let history = RunHistory(
      metrics: [5, 10, 20].map(loss), merges: [5, 10, 20].map(merge), checkpoints: [15: "new", 20: "p"])
    var changed = RunDetails.example("moved")
    changed.threads = 7
    #expect(try store.resumeRun(changed, token: "one", startedAt: "then", after: 20, history: history) == id)
    let run = try store.run(id)
    #expect(run.status == .running && run.finishedAt == nil && run.startedAt != "then")
    #expect(run.details.name == "moved" && run.details.threads == 7)
    #expect(try store.metrics(run: id) == [5, 10, 20].map(loss))
    #expect(try store.merges(run: id).map(\.step) == [5, 10, 20])
    #expect(try store.checkpoints(run: id).map(\.path) == ["new", "p"])
    #expect(try store.metrics(run: other).count == 3 && store.merges(run: other).count == 3)
  }

  @Test func aRunThatTheDatabaseLacksIsAdded() throws {
    let history = RunHistory(
      metrics: [MetricPoint(step: 1, epoch: 0, split: .train, name: "loss", value: 1)], merges: [])
    let id = try store.resumeRun(.example(), token: "lost", startedAt: "then", after: 1, history: history)
    #expect(try store.run(id).startedAt == "then" && store.run(token: "lost") == id)
    #expect(try store.metrics(run: id) == history.metrics)
    #expect(try store.run(token: "never") == nil)
  }

  @Test func runsAreFiltered() throws {
    let first = try store.beginRun(.example("a", strategy: "lora"))
    let second = try store.beginRun(.example("a"))
    let third = try store.beginRun(.example("b"))
    try store.finishRun(second, status: .failed)
    #expect(try store.runs().map(\.id) == [first, second, third])
    #expect(try store.runs(RunFilter(name: "a")).map(\.id) == [first, second])
    #expect(try store.runs(RunFilter(strategy: "aslora", status: .failed)).map(\.id) == [second])
    #expect(try store.runs(RunFilter(task: "cola")).isEmpty)
    #expect(try store.runs(RunFilter(outputDir: "runs/b")).map(\.id) == [third])
  }

  @Test func unknownRunsAreRefused() throws {
    let missing = RunStoreError.noSuchRun(path: store.path, id: 7)
    #expect(throws: missing) { try store.run(7) }
    #expect(throws: missing) { try store.finishRun(7, status: .completed) }

    #expect(missing.exitStatus == .missingInput)
  }
}
