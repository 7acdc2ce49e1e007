import Adapters
import Checkpoints
import Diagnostics
import Dispatch
import Foundation
import Kernels
import Metrics
import RunStore
import StrictJSON
import Synchronization

/// Keeps a run's rows in the database up to date, without ever delaying or ending the training.
///
/// A separate thread writes. Entries that cannot be written (full disk, lasting lock) are kept and retried; if the file
/// is gone, the run's rows are written to a new one from the history.
final class RunRecorder: Sendable {
  private let run: RunDetails
  private let identity: RunIdentity
  private let path: String
  private let queue = DispatchQueue(label: "swift-peft.database", qos: .utility)
  private let state: Mutex<State>

  private struct State {
    var store: RunStore
    var id: Int64
    var pending: [HistoryEntry] = []
    var history: HistoryLog
    /// Checkpoints on disk that the database should list.
    var checkpoints: [Int: String] = [:]
    var notices: [String] = []
    var failure: (any UserFacingError)?
    var nextAttempt = ContinuousClock.now

    /// Removes the first `count` entries, which have been written.
    mutating func written(_ count: Int) {
      pending.removeFirst(count)
      if failure != nil { notices.append("the database can be written again; nothing was lost") }
      failure = nil
    }

    mutating func failed(_ failure: any UserFacingError, pause: Duration) {
      if self.failure == nil {
        notices.append("\(failure); training continues, and its values will be recorded later")
      }
      self.failure = failure
      nextAttempt = .now + pause
    }
  }

  /// The pause before retrying after a failure.
  private static let pause = Duration.seconds(5)

  /// A recorder of the run `id` in `store`, which has recorded `history` and `checkpoints` so far.
  init(
    store: RunStore, id: Int64, run: RunDetails, identity: RunIdentity, history: HistoryLog, checkpoints: [Int: String]
  ) {
    self.run = run
    self.identity = identity
    path = store.path
    state = Mutex(State(store: store, id: id, history: history, checkpoints: checkpoints))
  }

  var id: Int64 { state.withLock { $0.id } }

  var history: HistoryLog { state.withLock { $0.history } }

  /// The notices since the last call.
  func takeNotices() -> [String] {
    state.withLock { state in
      defer { state.notices = [] }
      return state.notices
    }
  }

  // MARK: - Recording

  func record(_ report: LogReport) {
    record(report.metrics.points(step: report.step, epoch: report.epoch, split: .train))
  }

  func record(_ report: EvaluationReport) {
    record(report.metrics.points(step: report.step, epoch: report.epoch, split: report.split))
  }

  private func record(_ points: [MetricPoint]) { add(.metrics(points)) { $0.history.add(points) } }

  func record(_ event: GroupMerge) {
    let merge = MergeRecord(
      step: event.step, module: event.module, lowerLayer: event.lowerLayer, upperLayer: event.upperLayer,
      distance: event.distance, groupsLeft: event.groupsLeft)
    add(.merge(merge)) { $0.history.add(merge) }
  }

  /// A checkpoint that is complete on disk, possibly recorded before, and the steps of those it replaced.
  func recordCheckpoint(step: Int, path: String, removed: [Int]) {
    if state.withLock({ $0.checkpoints[step] != path }) {
      add(.checkpoint(step: step, path: path)) { $0.checkpoints[step] = path }
    }
    for old in removed { add(.checkpointRemoved(step: old)) { $0.checkpoints[old] = nil } }
  }

  private func add(_ entry: HistoryEntry, _ note: (inout State) -> Void) {
    state.withLock { state in
      note(&state)
      state.pending.append(entry)
    }
    queue.async { [self] in flush(evenIfPaused: false) }
  }

  // MARK: - Writing

  /// Writes all pending entries and ends the run. Throws if the database is incomplete afterwards.
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

  /// Tries to write all pending entries; only called on the queue.
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

  /// Creates the file again and writes the whole run to it.
  private func writeAnew() throws {
    let (old, history, checkpoints, count) = state.withLock {
      ($0.store, $0.history, $0.checkpoints, $0.pending.count)
    }
    let store = try RunStore(path: path, journal: old.journal)
    var records = try history.records()
    records.checkpoints = checkpoints
    let id = try store.resumeRun(
      run, token: identity.token, startedAt: identity.startedAt, after: .max, history: records)
    state.withLock { state in
      (state.store, state.id) = (store, id)
      state.notices.append("\(path) was deleted or replaced; the run is recorded again as run \(id)")
      state.written(count)
    }
  }
}

/// At the end of a run, its files are complete but the database is not.
struct RecordingFailure: UserFacingError, Equatable {
  let reason: String

  var description: String {
    "\(reason); the output directory is complete but the database is not; --resume adds what is missing"
  }
  var exitStatus: ExitStatus { .ioError }
}

/// Everything a run has measured so far, one JSON line per event (`history.jsonl`). Each checkpoint holds it, so that a
/// resumed run can restore its rows in the database, whatever happened to that.
///
/// The lines are kept as bytes: saving them in a checkpoint costs one copy, however long the run.
struct HistoryLog: Sendable {
  private(set) var bytes: [UInt8] = []

  mutating func add(_ points: [MetricPoint]) {
    guard let first = points.first else { return }
    add([
      "step": .integer(first.step), "epoch": .exact(first.epoch), "split": .string(first.split.rawValue),
      "metrics": .members(points.map { ($0.name, .exact($0.value)) }),
    ])
  }

  mutating func add(_ merge: MergeRecord) {
    add([
      "step": .integer(merge.step),
      "merge": [
        "module": .string(merge.module), "lower_layer": .integer(merge.lowerLayer),
        "upper_layer": .integer(merge.upperLayer), "distance": .exact(merge.distance),
        "groups_left": .integer(merge.groupsLeft),
      ],
    ])
  }

  private mutating func add(_ line: JSONValue) {
    bytes += Array(JSONWriter.text(line, pretty: false).utf8)
    bytes.append(UInt8(ascii: "\n"))
  }

  init() {}

  init(file: String) throws {
    bytes = try MappedFile(path: file).text()
    _ = try records(file: file)
  }

  /// The lines, decoded.
  func records(file: String = "history") throws -> RunHistory {
    var history = RunHistory()
    for line in bytes.split(separator: UInt8(ascii: "\n")) {
      let entry = try JSONField(parsing: Array(line), file: file), step = try entry.member("step").integer()
      if let merge = try entry.optional("merge") {
        history.merges.append(
          MergeRecord(
            step: step, module: try merge.member("module").string(),
            lowerLayer: try merge.member("lower_layer").integer(),
            upperLayer: try merge.member("upper_layer").integer(),
            distance: try merge.member("distance").exactNumber(),
            groupsLeft: try merge.member("groups_left").integer()))
        continue
      }
      let epoch = try entry.member("epoch").exactNumber(), split = try entry.member("split").split()
      history.metrics += try entry.member("metrics").members().map { name, value in
        MetricPoint(step: step, epoch: epoch, split: split, name: name, value: try value.exactNumber())
      }
    }
    return history
  }
}
