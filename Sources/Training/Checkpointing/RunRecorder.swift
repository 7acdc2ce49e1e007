import Adapters
import Diagnostics
import Dispatch
import Foundation
import Metrics
import RunStore
import Synchronization

/// Keeps a run's rows in the database in step with the training, without ever holding it up or ending it.
///
/// A thread of its own writes. What cannot be written (a full disk, a lock that lasts) is kept and tried again; where
/// the file is gone, the run's rows are written into a new one from the history.
final class RunRecorder: Sendable {
  private let run: NewRun
  private let identity: RunIdentity
  private let path: String
  private let queue = DispatchQueue(label: "swift-peft.database", qos: .utility)
  private let state: Mutex<State>

  private struct State {
    var store: RunStore
    var id: Int64
    var pending: [RunEntry] = []
    var history: HistoryLog
    /// Checkpoints on disk that the database should know.
    var checkpoints: [Int: String] = [:]
    var notices: [String] = []
    var failure: (any UserFacingError)?
    var nextAttempt = ContinuousClock.now

    /// Takes the first `count` entries for written.
    mutating func written(_ count: Int) {
      pending.removeFirst(count)
      if failure != nil { notices.append("the database can be written again; nothing is missing in it") }
      failure = nil
    }

    mutating func failed(_ failure: any UserFacingError, pause: Duration) {
      if self.failure == nil {
        notices.append("\(failure); the training goes on, what it measures is kept and recorded later")
      }
      self.failure = failure
      nextAttempt = .now + pause
    }
  }

  /// How long a database that failed is left alone.
  private static let pause = Duration.seconds(5)

  /// A recorder of the run `id` in `store`, which has recorded `history` and `checkpoints` so far.
  init(
    store: RunStore, id: Int64, run: NewRun, identity: RunIdentity, history: HistoryLog, checkpoints: [Int: String]
  ) {
    self.run = run
    self.identity = identity
    path = store.path
    state = Mutex(State(store: store, id: id, history: history, checkpoints: checkpoints))
  }

  /// The run's number in the database.
  var id: Int64 { state.withLock { $0.id } }

  /// All that was measured so far.
  var history: HistoryLog { state.withLock { $0.history } }

  /// What a person should know since the last time.
  func takeNotices() -> [String] {
    state.withLock { state in
      defer { state.notices = [] }
      return state.notices
    }
  }

  // MARK: - What is recorded

  /// A log line.
  func record(_ report: LogReport) {
    add(step: report.step, epoch: report.epoch, split: .train, report.metrics)
  }

  /// The scores of a split.
  func record(_ report: EvaluationReport) {
    guard let split = MetricSplit(rawValue: report.split.rawValue) else { return }
    add(step: report.step, epoch: report.epoch, split: split, report.metrics)
  }

  private func add(step: Int, epoch: Double, split: MetricSplit, _ metrics: [MetricValue]) {
    let records = metrics.map {
      MetricRecord(step: step, epoch: epoch, split: split, name: $0.name, value: $0.value)
    }
    add(.metrics(records)) { $0.history.add(step: step, epoch: epoch, split: split, metrics) }
  }

  /// A merge.
  func record(_ event: MergeEvent) {
    let merge = MergeRecord(
      step: event.step, module: event.module, lowerLayer: event.lowerLayer, upperLayer: event.upperLayer,
      distance: event.distance, groupsLeft: event.groupsLeft)
    add(.merge(merge)) { $0.history.add(merge) }
  }

  /// A checkpoint that is complete on disk, which may be known, and those that it replaced.
  func recordCheckpoint(step: Int, path: String, removed: [Int]) {
    if state.withLock({ $0.checkpoints[step] != path }) {
      add(.checkpoint(step: step, path: path)) { $0.checkpoints[step] = path }
    }
    for old in removed { add(.checkpointRemoved(step: old)) { $0.checkpoints[old] = nil } }
  }

  private func add(_ entry: RunEntry, _ note: (inout State) -> Void) {
    state.withLock { state in
      note(&state)
      state.pending.append(entry)
    }
    queue.async { [self] in flush(evenIfPaused: false) }
  }

  // MARK: - Writing

  /// Writes what is pending and ends the run. Throws where the database lacks anything then.
  func finish(_ status: RunStatus, parameters: ParameterCounts? = nil) throws {
    queue.sync { flush(evenIfPaused: true) }
    let (store, id, failure) = state.withLock { ($0.store, $0.id, $0.failure) }
    if let failure { throw RecordingFailure(reason: failure.description) }
    do {
      try store.finishRun(id, status: status, parameters: parameters)
    } catch let error as any UserFacingError {
      throw RecordingFailure(reason: error.description)
    }
  }

  /// Tries to write all that is pending; on the queue only.
  private func flush(evenIfPaused: Bool) {
    let (store, id, pending, isDue) = state.withLock {
      ($0.store, $0.id, $0.pending, evenIfPaused || $0.nextAttempt <= .now)
    }
    guard isDue else { return }
    do {
      guard store.isInPlace else { return try writeAnew() }
      if !pending.isEmpty { try store.record(run: id, pending) }
      state.withLock { $0.written(pending.count) }
    } catch {
      let failure = error as? any UserFacingError ?? RunStoreError.failed(path: path, reason: "\(error)")
      state.withLock { $0.failed(failure, pause: Self.pause) }
    }
  }

  /// Opens a new file in the place of one that is gone, and writes the whole run into it.
  private func writeAnew() throws {
    let (history, checkpoints, count) = state.withLock { ($0.history, $0.checkpoints, $0.pending.count) }
    let store = try RunStore(path: path)
    var records = try history.records()
    records.checkpoints = checkpoints
    let id = try store.resumeRun(
      run, token: identity.token, startedAt: identity.startedAt, after: .max, history: records)
    state.withLock { state in
      (state.store, state.id) = (store, id)
      state.notices.append("\(path) was deleted or replaced: the run is recorded anew, as run \(id)")
      state.written(count)
    }
  }
}

/// The database lacks something at the end of a run whose files are complete.
struct RecordingFailure: UserFacingError, Equatable {
  let reason: String

  var description: String {
    "\(reason); the output directory is complete, the database is not: --resume records what is missing"
  }
  var exitStatus: ExitStatus { .ioError }
}
