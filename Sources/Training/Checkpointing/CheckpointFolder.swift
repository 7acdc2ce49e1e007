import Checkpoints
import Configuration
import Diagnostics
import Dispatch
import Foundation
import Synchronization

/// The folder `checkpoints` of an output directory: one directory a checkpoint, named after its step.
struct CheckpointFolder: Sendable {
  static let name = "checkpoints"

  let path: String
  /// What the configs of its checkpoints can name.
  private let catalog: Catalog

  /// The folder of the output directory at `output`; nothing is touched yet.
  init(output: String, catalog: Catalog = .standard) {
    path = "\(output)/\(Self.name)"
    self.catalog = catalog
  }

  /// `…/checkpoints/step-00000560`
  func path(step: Int) -> String { "\(path)/\(Self.name(step: step))" }

  static func name(step: Int) -> String {
    let digits = String(step)
    return "step-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
  }

  /// The steps of the checkpoints that are there, ascending; whether they are whole is not looked at.
  var steps: [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.compactMap { name in
      guard name.hasPrefix("step-"), let step = Int(name.dropFirst("step-".count)), Self.name(step: step) == name
      else { return nil }
      return step
    }.sorted()
  }

  /// The newest whole checkpoint, and notes on damaged ones after it; nil if there are no checkpoints. Throws if all are
  /// damaged.
  func newest() throws -> (checkpoint: Checkpoint, notices: [String])? {
    // A run that goes on may replace the checkpoints that are being looked at.
    for _ in 0..<Self.attempts {
      var damages: [String] = [], isReplaced = false
      for step in steps.reversed() {
        do {
          let checkpoint = try Checkpoint(path: path(step: step), catalog: catalog)
          guard checkpoint.step == step else {
            throw CheckpointDamage(path: path(step: step), problem: "holds the state of step \(checkpoint.step)")
          }
          let name = Self.name(step: step)
          return (
            checkpoint, damages.map { "\($0): this checkpoint is damaged; resuming from \(name), the one before" }
          )
        } catch let error as any UserFacingError {
          if FileManager.default.fileExists(atPath: path(step: step)) {
            damages.append(error.description)
          } else {
            isReplaced = true
          }
        }
      }
      if isReplaced { continue }
      if damages.isEmpty { return nil }
      throw RunError.noWholeCheckpoint(directory: path, damages: damages)
    }
    return nil
  }

  /// How often checkpoints that go while they are read are looked for anew.
  static let attempts = 50

  /// Creates the folder if missing, and removes what dead processes left half-written.
  func prepare() throws {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw OutputError.cannotCreate(path: path, code: Int32((error as NSError).posixCode ?? Int(EIO)))
    }
    // A new directory is on the disk once its name is.
    try AtomicFile.synchronize(directory: "\(path)/..")
    try AtomicFile.synchronize(directory: "\(path)/../..")
    AtomicDirectory.removeLeftovers(in: path)
  }

  /// The steps of the checkpoints that the one of `step` replaces: all but the newest `limit` up to it (nil and 0: none),
  /// and any after it, which were found damaged when the run was resumed.
  func superseded(by step: Int, limit: Int?) -> [Int] {
    let steps = steps, until = steps.filter { $0 <= step }
    let kept = limit.map { $0 > 0 ? until.suffix($0) : until[...] } ?? until[...]
    return steps.filter { !kept.contains($0) }
  }
}

extension NSError {
  /// The system's error number below a Foundation error.
  var posixCode: Int? {
    if domain == NSPOSIXErrorDomain { return code }
    return (userInfo[NSUnderlyingErrorKey] as? NSError)?.posixCode
  }
}

/// Writes checkpoints on a thread of its own, one at a time.
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

  /// A saver into `folder`, whose newest whole checkpoint is that of step `newest`. `onSaved` gets each complete checkpoint
  /// and the steps of those it replaced.
  init(
    folder: CheckpointFolder, limit: Int?, newest: Int?,
    onSaved: @escaping @Sendable (_ step: Int, _ path: String, _ removed: [Int]) -> Void
  ) {
    self.folder = folder
    self.limit = limit
    self.onSaved = onSaved
    state = Mutex(State(newest: newest))
  }

  /// Starts writing a checkpoint once the one before is written. Throws if that failed.
  func save(_ content: CheckpointContent) throws {
    try wait()
    // A state that is the same as on disk, and an evaluation that was pending there, come to the same in the end.
    if state.withLock({ $0.newest }) == content.snapshot.state.step { return }
    queue.async { [self] in write(content) }
  }

  /// Throws if a checkpoint could not be written.
  func check() throws {
    if let failure = state.withLock({ $0.failure }) { throw failure }
  }

  /// Waits until everything is written, or throws.
  func wait() throws {
    queue.sync {}
    try check()
  }

  /// Waits until everything is written, or throws. Removes checkpoints beyond the limit that a killed process left, so that
  /// they do not come back after a power failure.
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
        $0.notices.append("checkpoint \(name) was not written: the trained numbers are no longer finite")
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

/// A checkpoint that could not be written, which ends the run.
struct CheckpointFailure: UserFacingError, Equatable {
  let name: String
  let reason: String
  /// The last checkpoint that is whole.
  let newest: String?

  var description: String {
    "checkpoint \(name) could not be written: \(reason); "
      + (newest.map { "--resume continues from \($0)" } ?? "there is no earlier one")
  }
  var exitStatus: ExitStatus { .ioError }
}
