import Diagnostics
import Foundation
import Synchronization

/// Downloads one file into the cache: in pieces, resuming an earlier attempt, and checks its checksum.
struct FileDownload {
  let client: HubClient
  let id: HubModelID
  let commit: String
  let file: String
  let pieceSize: Int
  let onEvent: @Sendable (Hub.Event) -> Void

  /// Downloads the file to `path`. Returns the number of bytes received.
  func run(_ info: HubFileInfo, to path: String) throws -> Int {
    let partial = try PartialFile(path: path + ".incomplete")
    if let size = info.size, partial.size > size { try partial.clear() }
    var bytes = try fill(partial, info)
    var problem = problem(partial, info)
    if problem != nil, partial.isResumed {
      // The part from the earlier attempt may be damaged.
      onEvent(.notice("\(file): the partial download is damaged; starting again"))
      try partial.clear()
      bytes += try fill(partial, info)
      problem = self.problem(partial, info)
    }
    if let problem {
      unlink(partial.path)
      throw problem
    }
    try partial.finish(as: path)
    return bytes
  }

  /// Prepares for the body. A server without ranges sends the whole file.
  private static func begin(_ partial: PartialFile, _ answer: HTTPAnswer, at start: Int) throws {
    if answer.status == 200 {
      if start > 0 { try partial.clear() }
    } else if let range = answer.headers["content-range"], !range.hasPrefix("bytes \(start)-") {
      throw HubError.unreachable(
        url: answer.url.absoluteString, reason: "the server sent \(range) instead of bytes \(start)-")
    }
  }

  private func problem(_ partial: PartialFile, _ info: HubFileInfo) -> HubError? {
    let name = "\(id)/\(file)"
    if let size = info.size, partial.size != size {
      return .wrongSize(file: name, found: partial.size, expected: size)
    }
    guard let expected = info.sha256 else { return nil }
    let found = partial.sha256
    return found == expected ? nil : .wrongChecksum(file: name, found: found, expected: expected)
  }

  /// Appends what is missing, piece by piece. Each piece that makes progress resets the count of attempts.
  private func fill(_ partial: PartialFile, _ info: HubFileInfo) throws -> Int {
    var location = info.location, attempt = 0, bytes = 0
    while info.size.map({ partial.size < $0 }) ?? true {
      let start = partial.size
      let end = info.size.map { String(min(start + pieceSize, $0) - 1) } ?? ""
      var answer: HTTPAnswer?
      var failure: HubError
      do {
        let isBegun = Mutex(false)
        let given = try client.get(location, range: "\(start)-\(end)") { [file, onEvent] answer, data in
          if !isBegun.withLock({ was in
            defer { was = true }
            return was
          }) {
            try Self.begin(partial, answer, at: start)
          }
          try partial.append(data)
          onEvent(.progress(file: file, bytes: partial.size, total: info.size))
        }
        answer = given
        failure = .status(url: location.absoluteString, status: given.status)
        bytes += max(0, partial.size - (given.status == 200 ? 0 : start))
        if given.status == 200 || given.status == 206 {
          if info.size == nil || partial.size > start { attempt = 0 }
          if info.size == nil { return bytes }
          if partial.size > start { continue }
        }
        if given.status == 416 { try partial.clear() }
      } catch let error as HubError {
        guard case .unreachable = error else { throw error }
        failure = error
        bytes += max(0, partial.size - start)
        if partial.size > start { attempt = 0 }
      }
      attempt += 1
      if attempt >= HubClient.attempts { throw failure }
      if let status = answer?.status, status == 404 { throw HubError.noFile(model: id.description, file: file) }
      client.wait(attempt: attempt, answer: answer)
      // Signed addresses in large-file storage expire.
      if let status = answer?.status, status == 401 || status == 403 {
        location = try client.info(id, commit: commit, file: file).location
      }
    }
    return bytes
  }
}

/// A file that a download fills piece by piece, with its checksum.
final class PartialFile: Sendable {
  let path: String
  private let state: Mutex<State>

  private struct State {
    let descriptor: Int32
    var size: Int
    var digest: Digest
    /// Whether an earlier attempt left bytes in it.
    var isResumed: Bool
  }

  /// Opens the file and reads what an earlier attempt left in it.
  init(path: String) throws {
    self.path = path
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw HubError.cache(path: path, reason: String(cString: strerror(errno))) }
    var digest = Digest(), size = 0
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      if count < 0 {
        let error = HubError.cache(path: path, reason: String(cString: strerror(errno)))
        close(descriptor)
        throw error
      }
      if count == 0 { break }
      buffer.withUnsafeBytes { digest.update(UnsafeRawBufferPointer(rebasing: $0[0..<count])) }
      size += count
    }
    state = Mutex(State(descriptor: descriptor, size: size, digest: digest, isResumed: size > 0))
  }

  deinit { state.withLock { _ = close($0.descriptor) } }

  var size: Int { state.withLock { $0.size } }
  var isResumed: Bool { state.withLock { $0.isResumed } }
  /// The digest of all bytes.
  var sha256: String { state.withLock { $0.digest.text } }

  /// Empties the file.
  func clear() throws {
    try state.withLock { state in
      guard ftruncate(state.descriptor, 0) == 0, lseek(state.descriptor, 0, SEEK_SET) == 0 else { throw failure() }
      (state.size, state.digest, state.isResumed) = (0, Digest(), false)
    }
  }

  func append(_ piece: Data) throws {
    try state.withLock { state in
      try piece.withUnsafeBytes { bytes in
        var done = 0
        while done < bytes.count {
          let written = write(state.descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
          if written < 0, errno == EINTR { continue }
          guard written > 0 else { throw failure() }
          done += written
        }
        state.digest.update(bytes)
      }
      state.size += piece.count
    }
  }

  /// Flushes the file to disk and renames it to `path`.
  func finish(as path: String) throws {
    try state.withLock { guard fsync($0.descriptor) == 0 else { throw failure() } }
    guard rename(self.path, path) == 0 else { throw failure() }
  }

  private func failure() -> HubError { .cache(path: path, reason: String(cString: strerror(errno))) }
}
