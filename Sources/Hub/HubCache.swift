import Diagnostics
import Foundation

/// The cache of Python's `huggingface_hub`.
///
///     models--owner--name/blobs/ETAG                 contents of files
///     models--owner--name/snapshots/COMMIT/FILE      links to them
///     models--owner--name/refs/main                  the commit of a branch or tag
///     .locks/models--owner--name/ETAG.lock
struct HubCache: Sendable {
  let root: String

  private func folder(_ id: HubModelID) -> String {
    "models--" + id.name.replacingOccurrences(of: "/", with: "--")
  }

  private func storage(_ id: HubModelID) -> String { "\(root)/\(folder(id))" }

  // MARK: - Reading

  /// The commit of the revision when it was last downloaded.
  func commit(of id: HubModelID) -> String? {
    if id.isCommit { return id.wanted }
    let stored = try? InputFile.read("\(storage(id))/refs/\(id.wanted)", limit: 1000)
    return stored.map { String(decoding: $0, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines) }
  }

  /// The directory of a commit, which may be incomplete or absent.
  func snapshot(_ id: HubModelID, commit: String) -> String { "\(storage(id))/snapshots/\(commit)" }

  /// The path of the contents `tag`.
  func blob(_ id: HubModelID, _ tag: String) -> String { "\(storage(id))/blobs/\(tag)" }

  // MARK: - Writing

  /// Sets the commit of a branch or tag.
  func setRef(_ id: HubModelID, commit: String) throws {
    guard id.wanted != commit, self.commit(of: id) != commit else { return }
    let path = "\(storage(id))/refs/\(id.wanted)"
    try makeDirectory(of: path)
    let file = try PartialFile(path: "\(path).\(getpid()).tmp")
    try file.clear()
    try file.append(Data(commit.utf8))
    try file.finish(as: path)
  }

  /// Links `file` of a snapshot to the contents `tag`. The link is relative, so that the cache can be moved.
  func link(_ id: HubModelID, commit: String, file: String, to tag: String) throws {
    let path = "\(snapshot(id, commit: commit))/\(file)"
    try makeDirectory(of: path)
    let depth = file.split(separator: "/").count + 1
    let target = String(repeating: "../", count: depth) + "blobs/\(tag)"
    if (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) == target { return }
    let temporary = "\(path).\(getpid()).tmp"
    unlink(temporary)
    guard symlink(target, temporary) == 0, rename(temporary, path) == 0 else { throw failure(path) }
  }

  /// Runs `body` while holding the lock of the contents `tag`, which Python's library respects too.
  func withLock<Result>(_ id: HubModelID, _ tag: String, _ body: () throws -> Result) throws -> Result {
    let path = "\(root)/.locks/\(folder(id))/\(tag).lock"
    try makeDirectory(of: path)
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o664)
    guard descriptor >= 0 else { throw failure(path) }
    defer { close(descriptor) }
    while flock(descriptor, LOCK_EX) != 0 {
      // Some file systems have no locks. The rename at the end keeps the cache correct anyway.
      guard errno == EINTR else { break }
    }
    return try body()
  }

  func makeDirectory(of path: String) throws {
    let directory = (path as NSString).deletingLastPathComponent
    do {
      try DurableDirectory.create(directory)
    } catch {
      throw HubError.cache(path: directory, reason: error.description)
    }
  }

  private func failure(_ path: String) -> HubError {
    .cache(path: path, reason: String(cString: strerror(errno)))
  }
}
