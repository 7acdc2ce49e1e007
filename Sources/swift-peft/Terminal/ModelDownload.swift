import Hub
import Synchronization

/// Downloads the models that verbs need, with a progress bar for each file.
struct ModelDownload {
  let isQuiet: Bool

  /// Makes sure that `model` is in the cache if it is a Hub name; does nothing for a path.
  @discardableResult
  func fetch(_ model: String, _ files: ModelFiles = .all) throws -> Hub.Snapshot? {
    let progress = Mutex(Progress(isQuiet: isQuiet))
    defer { progress.withLock { $0.clear() } }
    return try Hub().fetch(model, files: files) { event in
      progress.withLock { progress in
        switch event {
        case .progress(let file, let bytes, let total): progress.downloaded(bytes, of: total, file: file)
        case .notice(let text): progress.notice(text)
        }
      }
    }
  }
}
