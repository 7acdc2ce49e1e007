import Configuration
import Diagnostics
import Foundation

/// What `train` does where the output directory holds a run already.
public enum RunStart: Sendable {
  /// Refuses.
  case fresh
  /// Replaces it.
  case overwrite
  /// Continues it; starts afresh where there is none.
  case resume
}

/// Where a resumed run goes on: locked, read and compared with the config, nothing changed yet.
struct ResumePoint: Sendable {
  /// Kept until the run ends; nil where the output directory is not there yet, and in a dry run.
  let lock: OutputLock?
  /// Which row of the database is the run's; nil where none was begun.
  let identity: RunIdentity?
  /// The checkpoint to go on from; nil where none was written.
  let checkpoint: Checkpoint?
  /// What a person should know.
  var notices: [String]

  /// Looks for a run in `output`, and with `locks` keeps others from training it. Throws where another process does,
  /// where it cannot go on, and where every checkpoint is damaged.
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
      notices.append("\(output.path) holds no checkpoint yet: the run starts from the beginning")
    }
  }
}
