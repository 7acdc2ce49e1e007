import Checkpoints
import Diagnostics
import Dispatch
import Synchronization

/// Writes checkpoints beside the training: a snapshot is handed over, a thread of its own puts it on the disk. One is
/// written at a time; the next one waits for it.
final class CheckpointSaver: Sendable {
  private let folder: CheckpointFolder
  private let limit: Int?
  private let onSaved: @Sendable (_ step: Int, _ path: String, _ removed: [Int]) -> Void
  private let queue = DispatchQueue(label: "swift-peft.checkpoints", qos: .utility)
  private let state: Mutex<State>

  private struct State {
    /// The newest checkpoint that is whole.
    var newest: Int?
    var failure: CheckpointFailure?
    var notices: [String] = []
  }

  /// A saver into `folder`, whose newest whole checkpoint is that of step `newest`. `onSaved` is told of each one that
  /// is complete, and of the steps of those that it replaced.
  init(
    folder: CheckpointFolder, limit: Int?, newest: Int?,
    onSaved: @escaping @Sendable (_ step: Int, _ path: String, _ removed: [Int]) -> Void
  ) {
    self.folder = folder
    self.limit = limit
    self.onSaved = onSaved
    state = Mutex(State(newest: newest))
  }

  /// Begins to write a checkpoint, once the one before it is written. Throws where that failed.
  func save(_ content: CheckpointContent) throws {
    try wait()
    // A state that is the same as on disk, and an evaluation that was pending there, come to the same in the end.
    if state.withLock({ $0.newest }) == content.snapshot.state.step { return }
    queue.async { [self] in write(content) }
  }

  /// Throws where a checkpoint could not be written.
  func check() throws {
    if let failure = state.withLock({ $0.failure }) { throw failure }
  }

  /// Waits until everything is written. Throws where it could not be.
  func wait() throws {
    queue.sync {}
    try check()
  }

  /// Waits until everything is written, and removes what a killed process had written beyond the limit and not come to
  /// remove; what is removed does not come back after a power failure. Throws where something could not be written.
  func finish() throws {
    queue.sync {
      guard let newest = state.withLock({ $0.newest }) else { return }
      let removed = removeSuperseded(by: newest)
      if !removed.isEmpty { onSaved(newest, folder.path(step: newest), removed) }
      try? AtomicFile.synchronize(directory: folder.path)
    }
    try check()
  }

  /// What a person should know since the last time.
  func takeNotices() -> [String] {
    state.withLock { state in
      defer { state.notices = [] }
      return state.notices
    }
  }

  private func write(_ content: CheckpointContent) {
    let step = content.snapshot.state.step, name = CheckpointFolder.name(step: step)
    guard content.snapshot.state.isFinite else {
      return state.withLock {
        $0.notices.append("checkpoint \(name) is not written: the trained numbers are not finite any more")
      }
    }
    do {
      try content.write(to: folder.path(step: step))
    } catch {
      let newest = state.withLock { $0.newest }
      let failure = CheckpointFailure(
        name: name, reason: (error as? any UserFacingError)?.description ?? "\(error)",
        newest: newest.map(CheckpointFolder.name))
      return state.withLock { $0.failure = failure }
    }
    state.withLock { $0.newest = step }
    onSaved(step, folder.path(step: step), removeSuperseded(by: step))
  }

  /// Returns the steps of the checkpoints that are gone.
  private func removeSuperseded(by step: Int) -> [Int] {
    folder.superseded(by: step, limit: limit).filter { old in
      do {
        try AtomicDirectory.remove(folder.path(step: old))
        return true
      } catch {
        state.withLock { $0.notices.append("an older checkpoint could not be removed: \(error)") }
        return false
      }
    }
  }
}

/// A checkpoint that could not be written: the run ends, and can go on from the one before.
struct CheckpointFailure: UserFacingError, Equatable {
  let name: String
  let reason: String
  /// The last checkpoint that is whole.
  let newest: String?

  var description: String {
    "checkpoint \(name) could not be written: \(reason); "
      + (newest.map { "\($0) is whole: once there is room, --resume goes on from it" } ?? "there is none before it")
  }
  var exitStatus: ExitStatus { .ioError }
}
