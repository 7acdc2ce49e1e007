import Foundation
import GRDB
import Metrics
import RunStore
import Testing

/// Gathering the runs of several databases in one.
@Suite struct ImportTests {
  let scratch: Scratch
  let store: RunStore

  init() throws {
    scratch = try Scratch()
    store = try RunStore(path: scratch.path("all.sqlite"))
  }

  private func other(_ name: String = "other.sqlite") throws -> RunStore {
    try RunStore(path: scratch.path(name), journal: .rollback)
  }

  private static func loss(_ step: Int, _ value: Double = 0.5) -> MetricPoint {
    MetricPoint(step: step, epoch: Double(step) / 10, split: .train, name: "loss", value: value)
  }

  private static func accuracy(_ step: Int, _ split: Split = .validation) -> MetricPoint {
    MetricPoint(step: step, epoch: Double(step) / 10, split: split, name: "accuracy", value: 0.75)
  }

  private static let merge = MergeRecord(
    step: 7, module: "query", lowerLayer: 3, upperLayer: 4, distance: 0.25, groupsLeft: 11)

  /// A run with one of everything, up to `step`.
  @discardableResult private func fill(
    _ store: RunStore, _ token: String, to step: Int = 20, _ status: RunStatus? = .completed
  ) throws -> Int64 {
    let id = try store.beginRun(.example(token), token: token)
    try store.record(
      run: id,
      [
        .metrics([Self.loss(10), Self.loss(step, .nan), Self.accuracy(step)]), .merge(Self.merge),
        .checkpoint(step: step, path: "p"),
      ])
    if let status { try store.finishRun(id, status: status) }
    return id
  }

  /// All rows of all tables but the runs' numbers, as text.
  private func rows(_ name: String, run: Int64) throws -> [String] {
    try DatabaseQueue(path: scratch.path(name)).read { database in
      try ["runs", "metrics", "merges", "checkpoints", "processes"].flatMap { table in
        try Row.fetchAll(
          database, sql: "SELECT * FROM \(table) WHERE \(table == "runs" ? "id" : "run_id") = ?", arguments: [run]
        ).map { row in
          "\(table): "
            + row.filter { $0.0 != "id" && $0.0 != "run_id" }.map { "\($0.0)=\($0.1)" }.joined(separator: " ")
        }.sorted()
      }
    }
  }

  @Test func runsComeWithEverythingRecordedAndTwiceChangesNothing() throws {
    try fill(store, "mine")
    let source = try other()
    let (first, second) = (try fill(source, "first"), try fill(source, "second"))
    #expect(try store.importRuns(of: source) == RunImport(added: [2, 3]))
    #expect(try store.runs().map(\.details.name) == ["mine", "first", "second"])
    for (there, here) in [(first, Int64(2)), (second, 3)] {
      let rows = try rows("other.sqlite", run: there)
      #expect(try self.rows("all.sqlite", run: here) == rows && rows.count == 7)
    }
    let before = try [1, 2, 3].map { try rows("all.sqlite", run: $0) }
    let other = try RunStore.openExisting(path: scratch.path("other.sqlite"))
    #expect(try store.importRuns(of: other) == RunImport(unchanged: [2, 3]))
    #expect(try [1, 2, 3].map { try rows("all.sqlite", run: $0) } == before)
    #expect(try store.runs().count == 3)
  }

  @Test func aRunThatHasGoneOnIsBroughtUpToDate() throws {
    let source = try other(), id = try fill(source, "run", to: 30, nil)
    #expect(try store.importRuns(of: source).added == [1])
    // It was killed after step 30 and goes on after its checkpoint of step 20.
    let history = RunHistory(
      metrics: [Self.loss(10), Self.loss(20)], merges: [Self.merge], checkpoints: [20: "p"])
    _ = try source.resumeRun(.example("moved"), token: "run", startedAt: "then", after: 20, history: history)
    try source.record(run: id, [.metrics([Self.loss(25), Self.accuracy(25)]), .checkpoint(step: 25, path: "q")])
    try source.finishRun(id, status: .interrupted)
    // Scores that only this database knows stay; steps that the run has not reached again go.
    try store.record(run: 1, metrics: [Self.accuracy(25, .test), Self.accuracy(30, .test)])
    #expect(try store.importRuns(of: source) == RunImport(updated: [1]))
    let run = try store.run(1)
    #expect(run.status == .interrupted && run.details.name == "moved" && run.finishedAt != nil)
    #expect(
      try store.metrics(run: 1)
        == [Self.loss(10), Self.loss(20), Self.accuracy(25, .test), Self.loss(25), Self.accuracy(25)])
    #expect(try store.merges(run: 1) == [Self.merge] && store.checkpoints(run: 1).map(\.path) == ["p", "q"])
    #expect(try store.run(token: "run") == 1)
  }

  /// A run that a worker began and an ordinary sweep finished has a row in the database of the sweep.
  @Test func whatIsFurtherHereStays() throws {
    let source = try other()
    try fill(source, "run", to: 10, .interrupted)
    #expect(try store.importRuns(of: source).added == [1])
    let history = RunHistory(metrics: [Self.loss(10)], merges: [Self.merge], checkpoints: [10: "p"])
    _ = try store.resumeRun(.example("run"), token: "run", startedAt: "then", after: 10, history: history)
    try store.record(run: 1, [.metrics([Self.loss(20), Self.accuracy(20)]), .checkpoint(step: 20, path: "p")])
    try store.finishRun(1, status: .completed)
    let before = try rows("all.sqlite", run: 1)
    #expect(try store.importRuns(of: source).unchanged == [1])
    // A clock that is an hour ahead.
    try DatabaseQueue(path: scratch.path("other.sqlite")).write {
      try $0.execute(sql: "UPDATE runs SET finished_at = '2999-01-01T00:00:00.000Z'")
    }
    #expect(try store.importRuns(of: source).unchanged == [1])
    #expect(try rows("all.sqlite", run: 1) == before)
  }

  @Test func aClockThatIsBehindHidesNoCompleteRun() throws {
    let source = try other(), id = try fill(source, "run", to: 20, nil)
    #expect(try store.importRuns(of: source).added == [1])
    try DatabaseQueue(path: scratch.path("all.sqlite")).write {
      try $0.execute(sql: "UPDATE metrics SET recorded_at = '2999-01-01T00:00:00.000Z'")
    }
    try source.finishRun(id, status: .completed)
    #expect(try store.importRuns(of: source).updated == [1])
    #expect(try store.run(1).status == .completed)
  }

  @Test func laterScoresDoNotHoldUpARun() throws {
    let source = try other(), id = try fill(source, "run", to: 20, .completed)
    #expect(try store.importRuns(of: source).added == [1])
    try source.record(run: id, [.metrics([Self.loss(30)]), .checkpoint(step: 30, path: "p")])
    try source.finishRun(id, status: .interrupted)
    try store.record(run: 1, metrics: [Self.accuracy(20, .test)])
    #expect(try store.importRuns(of: source).updated == [1])
    #expect(try store.metrics(run: 1).contains(Self.accuracy(20, .test)))
    #expect(try store.run(1).status == .interrupted)
  }

  @Test func runsOfTheFirstVersionAreKnownByNameAndTime() throws {
    let source = try other()
    try fill(source, "old")
    try DatabaseQueue(path: scratch.path("other.sqlite")).write { try $0.execute(sql: "DELETE FROM processes") }
    #expect(try store.importRuns(of: source).added == [1])
    #expect(try store.importRuns(of: source).unchanged == [1])
    #expect(try store.runs().count == 1)
  }

  @Test func nonsenseInOneRunKeepsAllOut() throws {
    let source = try other()
    try fill(source, "good")
    try fill(source, "bad")
    try DatabaseQueue(path: scratch.path("other.sqlite")).write {
      try $0.execute(sql: "UPDATE merges SET distance = 'far' WHERE run_id = 2")
    }
    let damage = RunStoreError.damaged(
      path: scratch.path("other.sqlite"),
      what: "column distance: could not decode Double from database value \"far\"")
    #expect(throws: damage) { try store.importRuns(of: source) }
    #expect(try store.runs().isEmpty)
  }

  @Test func columnsOfOtherProgramsAreLeftBehind() throws {
    let source = try other()
    try fill(source, "run")
    try DatabaseQueue(path: scratch.path("other.sqlite")).write {
      try $0.execute(sql: "ALTER TABLE runs ADD COLUMN note TEXT; ALTER TABLE metrics ADD COLUMN unit TEXT")
    }
    #expect(try store.importRuns(of: source).added == [1])
    #expect(try store.metrics(run: 1).count == 3)
  }
}
