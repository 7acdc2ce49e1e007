import Hub
import Synchronization

/// Downloads the models that verbs need, with a bar for each file.
struct ModelDownload {
  let isQuiet: Bool

  /// Sees that `model` is in the cache where it is one on the Hub, and a path otherwise.
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
