import Diagnostics
import Foundation

/// The cache of Hugging Face, as Python's huggingface_hub lays it out.
///
///     models--owner--name/blobs/ETAG                 the files' contents
///     models--owner--name/snapshots/COMMIT/FILE      links to them
///     models--owner--name/refs/main                  the commit that a branch or tag was at
///     .locks/models--owner--name/ETAG.lock
struct HubCache: Sendable {
  let root: String

  private func folder(_ id: HubModelID) -> String {
    "models--" + id.name.replacingOccurrences(of: "/", with: "--")
  }

  private func storage(_ id: HubModelID) -> String { "\(root)/\(folder(id))" }

  // MARK: - Reading

  /// The commit that the revision was at when it was last asked for.
  func commit(of id: HubModelID) -> String? {
    if id.isCommit { return id.wanted }
    let stored = try? InputFile.read("\(storage(id))/refs/\(id.wanted)", limit: 1000)
    return stored.map { String(decoding: $0, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines) }
  }

  /// The directory with the files of a commit, which may lack some or all.
  func snapshot(_ id: HubModelID, commit: String) -> String { "\(storage(id))/snapshots/\(commit)" }

  /// Where the contents of a file go.
  func blob(_ id: HubModelID, _ tag: String) -> String { "\(storage(id))/blobs/\(tag)" }

  // MARK: - Writing

  /// Lets a branch or tag point at `commit`.
  func setRef(_ id: HubModelID, commit: String) throws {
    guard id.wanted != commit, self.commit(of: id) != commit else { return }
    let path = "\(storage(id))/refs/\(id.wanted)"
    try makeDirectory(of: path)
    let temporary = "\(path).\(getpid()).tmp"
    try guarding(path) { try Data(commit.utf8).write(to: URL(fileURLWithPath: temporary)) }
    guard rename(temporary, path) == 0 else { throw failure(path) }
  }

  /// Links `file` of a snapshot to the contents `tag`, by a relative path as Python does, so that the cache can move.
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

  /// Runs `body` while no other process, Python's library included, writes the contents `tag`.
  func withLock<Result>(_ id: HubModelID, _ tag: String, _ body: () throws -> Result) throws -> Result {
    let path = "\(root)/.locks/\(folder(id))/\(tag).lock"
    try makeDirectory(of: path)
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o664)
    guard descriptor >= 0 else { throw failure(path) }
    defer { close(descriptor) }
    while flock(descriptor, LOCK_EX) != 0 {
      // Some file systems know no locks; the rename at the end keeps the cache right all the same.
      guard errno == EINTR else { break }
    }
    return try body()
  }

  func makeDirectory(of path: String) throws {
    let directory = (path as NSString).deletingLastPathComponent
    try guarding(directory) {
      try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }
  }

  private func guarding(_ path: String, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch {
      let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
      let reason = underlying.map { String(cString: strerror(Int32($0.code))) } ?? error.localizedDescription
      throw HubError.cache(path: path, reason: reason)
    }
  }

  private func failure(_ path: String) -> HubError {
    .cache(path: path, reason: String(cString: strerror(errno)))
  }
}
