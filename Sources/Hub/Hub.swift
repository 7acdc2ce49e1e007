import Foundation
import Synchronization

/// Gets models from a Hugging Face Hub into the cache that Python's library has too.
///
///     let model = try Hub().fetch("owner/name") { print($0) }
///     let config = try ModelConfig(directory: model.directory)
public struct Hub: Sendable {
  /// A model in the cache.
  public struct Snapshot: Sendable, Equatable {
    /// Its directory, as the Hub lays it out.
    public let directory: String
    /// The commit.
    public let commit: String
    /// Bytes that this call downloaded.
    public let downloadedBytes: Int
  }

  /// What happens meanwhile.
  public enum Event: Sendable, Equatable {
    /// So many bytes of a file are there; `total` is nil where the server does not say.
    case progress(file: String, bytes: Int, total: Int?)
    /// Something a person should know.
    case notice(String)
  }

  /// Where models come from and where they are kept.
  public let environment: HubEnvironment
  private let client: HubClient
  private var cache: HubCache { HubCache(root: environment.cache) }
  /// Bytes of one request: what has come but is not yet written is never more.
  private let pieceSize: Int

  /// The Hub and the cache that the environment names.
  public init(_ environment: HubEnvironment = HubEnvironment()) {
    self.init(environment, firstDelay: 0.5, timeout: 30)
  }

  init(_ environment: HubEnvironment, firstDelay: Double, timeout: Double, pieceSize: Int = 32 << 20) {
    self.environment = environment
    self.pieceSize = pieceSize
    client = HubClient(environment, firstDelay: firstDelay, timeout: timeout)
  }

  // MARK: - Without the network

  /// The directory that a config's `model` means: itself, or the last download of a model on the Hub.
  ///
  /// What is no model's name, or begins with the name of a directory that is there, stays a path.
  public func directory(of model: String, files: ModelFiles = .all) throws -> String {
    guard let id = Self.id(model) else { return model }
    let found = cached(id, files)
    if let directory = found.directory, found.missing == nil { return directory }
    if environment.isOffline { throw HubError.offline(model: model, cache: environment.cache, missing: found.missing) }
    throw HubError.notCached(model: model, cache: environment.cache, missing: found.missing)
  }

  /// The model on the Hub that `model` means; nil where it is a path.
  public static func id(_ model: String) -> HubModelID? {
    guard !FileManager.default.fileExists(atPath: model), let id = HubModelID(model) else { return nil }
    return FileManager.default.fileExists(atPath: String(id.name.prefix { $0 != "/" })) ? nil : id
  }

  private func cached(_ id: HubModelID, _ files: ModelFiles) -> (directory: String?, missing: String?) {
    guard let commit = cache.commit(of: id), HubModelID.isCommit(commit) else { return (nil, nil) }
    let directory = cache.snapshot(id, commit: commit)
    guard FileManager.default.fileExists(atPath: directory) else { return (nil, nil) }
    return (directory, files.missing(in: directory))
  }

  // MARK: - With the network

  /// Sees that the newest state of a model is in the cache. Nil where `model` is a path.
  ///
  /// A commit that is there whole, and `HF_HUB_OFFLINE`, need no network. Where no server answers, or not to us, what
  /// the cache has of the model is used, with a notice.
  public func fetch(
    _ model: String, files: ModelFiles = .all, onEvent: @escaping @Sendable (Event) -> Void = { _ in }
  ) throws -> Snapshot? {
    guard let id = Self.id(model) else { return nil }
    if environment.isOffline || id.isCommit, cached(id, files).missing == nil, let known = known(id, files) {
      return known
    }
    if environment.isOffline {
      throw HubError.offline(model: model, cache: environment.cache, missing: cached(id, files).missing)
    }
    do {
      return try download(id, files, onEvent)
    } catch let error as HubError {
      guard error.allowsCache, let known = known(id, files) else { throw error }
      onEvent(.notice("\(error); the copy in the cache is used"))
      return known
    }
  }

  /// The model in the cache, where it is whole.
  private func known(_ id: HubModelID, _ files: ModelFiles) -> Snapshot? {
    let found = cached(id, files)
    guard let directory = found.directory, found.missing == nil, let commit = cache.commit(of: id) else { return nil }
    return Snapshot(directory: directory, commit: commit, downloadedBytes: 0)
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
    // Last, so that the revision never points at a part of a model.
    try cache.setRef(id, commit: commit)
    return Snapshot(directory: directory, commit: commit, downloadedBytes: bytes)
  }

  /// Sees that one file is there; returns the bytes that had to be downloaded.
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

extension HubError {
  /// Whether an earlier download may stand in: the Hub did not answer, or not to us.
  fileprivate var allowsCache: Bool {
    switch self {
    case .unreachable, .status, .notAHub, .unauthorized, .forbidden: true
    default: false
    }
  }
}
