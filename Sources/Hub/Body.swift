import Diagnostics
import Foundation
import Synchronization

/// The body of a small answer, in memory.
final class Body: Sendable {
  private let data = Mutex(Data())

  var bytes: [UInt8] { data.withLock { Array($0) } }

  func clear() { data.withLock { $0 = Data() } }

  /// Appends a piece. False if the body is longer than any list of files.
  func append(_ piece: Data) -> Bool {
    data.withLock {
      if $0.count + piece.count > InputFile.textLimit { return false }
      $0.append(piece)
      return true
    }
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
