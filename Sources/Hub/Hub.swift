import Foundation
import Synchronization

/// Downloads models from a Hugging Face Hub into the cache that Python's `huggingface_hub` uses too.
///
///     let model = try Hub().fetch("owner/name") { print($0) }
///     let config = try ModelConfig(directory: model.directory)
package struct Hub: Sendable {
  /// A model in the cache.
  package struct Snapshot: Sendable, Equatable {
    package let directory: String
    package let commit: String
    /// The number of bytes that this call downloaded.
    package let downloadedBytes: Int
  }

  package enum Event: Sendable, Equatable {
    /// `bytes` of a file have arrived; `total` is nil if the server does not tell.
    case progress(file: String, bytes: Int, total: Int?)
    case notice(String)
  }

  package let environment: HubEnvironment
  private let client: HubClient
  private var cache: HubCache { HubCache(root: environment.cache) }
  /// The bytes per request, which bounds what is received but not yet written.
  private let pieceSize: Int

  package init(
    _ environment: HubEnvironment = HubEnvironment(), firstDelay: Double = 0.5, timeout: Double = 30,
    pieceSize: Int = 32 << 20
  ) {
    self.environment = environment
    self.pieceSize = pieceSize
    client = HubClient(environment, firstDelay: firstDelay, timeout: timeout)
  }

  // MARK: - Without the network

  /// The directory of `model` in a config: a path, or the cached copy of a model on the Hub (see `id`).
  package func directory(of model: String, files: ModelFiles = .all) throws -> String {
    guard let id = Self.id(model) else { return model }
    let found = cached(id, files)
    if let snapshot = found.snapshot { return snapshot.directory }
    if environment.isOffline { throw HubError.offline(model: model, cache: environment.cache, missing: found.missing) }
    throw HubError.notCached(model: model, cache: environment.cache, missing: found.missing)
  }

  /// The Hub id that `model` is. Nil if it is a path: an existing file, a text that cannot be an id, or one whose first
  /// part is an existing directory.
  package static func id(_ model: String) -> HubModelID? {
    guard !FileManager.default.fileExists(atPath: model), !model.lowercased().hasSuffix(".gguf"),
      let id = HubModelID(model)
    else { return nil }
    return FileManager.default.fileExists(atPath: String(id.name.prefix { $0 != "/" })) ? nil : id
  }

  /// The cached copy if it is complete, otherwise the first file that it lacks; neither if there is no copy.
  private func cached(_ id: HubModelID, _ files: ModelFiles) -> (snapshot: Snapshot?, missing: String?) {
    guard let commit = cache.commit(of: id), HubModelID.isCommit(commit) else { return (nil, nil) }
    let directory = cache.snapshot(id, commit: commit)
    guard FileManager.default.fileExists(atPath: directory) else { return (nil, nil) }
    if let missing = files.missing(in: directory) { return (nil, missing) }
    return (Snapshot(directory: directory, commit: commit, downloadedBytes: 0), nil)
  }

  // MARK: - With the network

  /// Brings the newest version of a model into the cache. Nil if `model` is a path.
  ///
  /// A cached commit, or `HF_HUB_OFFLINE`, needs no network. If the server does not answer or denies access, a cached
  /// copy is used, with a notice.
  package func fetch(
    _ model: String, files: ModelFiles = .all, onEvent: @escaping @Sendable (Event) -> Void = { _ in }
  ) throws -> Snapshot? {
    guard let id = Self.id(model) else { return nil }
    let found = cached(id, files)
    if environment.isOffline || id.isCommit, let snapshot = found.snapshot { return snapshot }
    if environment.isOffline {
      throw HubError.offline(model: model, cache: environment.cache, missing: found.missing)
    }
    do {
      return try download(id, files, onEvent)
    } catch let error as HubError {
      guard error.allowsCache, let snapshot = cached(id, files).snapshot else { throw error }
      onEvent(.notice("\(error); using the cached copy"))
      return snapshot
    }
  }

  private func download(
    _ id: HubModelID, _ files: ModelFiles, _ onEvent: @escaping @Sendable (Event) -> Void
  ) throws -> Snapshot {
    let (commit, names) = try client.info(id)
    try files.requireUsable(names, model: id.description)
    let directory = cache.snapshot(id, commit: commit)
    var bytes = 0
    for name in files.wanted(among: names) { bytes += try get(name, of: id, commit: commit, onEvent) }
    let index = "\(directory)/\(ModelFiles.index)"
    if files == .all, !names.contains(ModelFiles.single) {
      for shard in try ModelFiles.shards(index: index) where names.contains(shard) {
        bytes += try get(shard, of: id, commit: commit, onEvent)
      }
    }
    // Last, so that the revision never points to an incomplete model.
    try cache.setRef(id, commit: commit)
    return Snapshot(directory: directory, commit: commit, downloadedBytes: bytes)
  }

  /// Downloads one file unless it is cached. Returns the number of bytes downloaded.
  private func get(
    _ file: String, of id: HubModelID, commit: String, _ onEvent: @escaping @Sendable (Event) -> Void
  ) throws -> Int {
    let path = "\(cache.snapshot(id, commit: commit))/\(file)"
    if FileManager.default.fileExists(atPath: path) { return 0 }
    let info = try client.info(id, commit: commit, file: file)
    let blob = cache.blob(id, info.tag)
    try cache.makeDirectory(of: blob)
    return try cache.withLock(id, info.tag) {
      var bytes = 0
      if !FileManager.default.fileExists(atPath: blob) {
        let download = FileDownload(
          client: client, id: id, commit: commit, file: file, pieceSize: pieceSize, onEvent: onEvent)
        bytes = try download.run(info, to: blob)
      }
      try cache.link(id, commit: commit, file: file, to: info.tag)
      return bytes
    }
  }
}
