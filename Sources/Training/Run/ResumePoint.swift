import Checkpoints
import Configuration
import Foundation

/// What `train` does if the output directory already holds a run.
public enum RunStart: Sendable {
  /// Refuses.
  case fresh
  /// Replaces it.
  case overwrite
  /// Continues it; starts afresh if there is none.
  case resume
}

/// A run to be resumed: locked and read, nothing changed yet.
struct ResumePoint: Sendable {
  /// Kept until the run ends; nil without an output directory, and in a dry run.
  let lock: OutputLock?
  /// The run's row in the database; nil if none was begun.
  let identity: RunIdentity?
  /// The checkpoint to continue from; nil if none was written.
  let checkpoint: Checkpoint?
  var notices: [String]

  /// Looks for a run in `output`, and with `locks` locks it. Throws if another process has, if there is no checkpoint of a
  /// finished run, or if all are damaged.
  init(_ output: OutputDirectory, catalog: Catalog, locks: Bool) throws {
    guard FileManager.default.fileExists(atPath: output.path) else {
      (lock, identity, checkpoint, notices) = (nil, nil, nil, [])
      return
    }
    lock = locks ? try OutputLock(output.path) : nil
    let folder = CheckpointFolder(output: output.path, catalog: catalog)
    let newest = try folder.newest()
    identity = try RunIdentity.read(output.path)
    checkpoint = newest?.checkpoint
    notices = newest?.notices ?? []
    if newest == nil {
      if output.holdsAdapter { throw RunError.nothingToResume(directory: output.path) }
      notices.append("\(output.path) holds no checkpoint yet; the run starts from the beginning")
    }
  }
}
