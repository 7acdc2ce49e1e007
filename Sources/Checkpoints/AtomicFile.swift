import Diagnostics
import Foundation

/// Why a file could not be written.
public enum OutputError: UserFacingError, Equatable {
  /// The file cannot be created.
  case cannotCreate(path: String, code: Int32)
  /// Writing failed, for example because the disk is full.
  case writeFailed(path: String, code: Int32)

  /// `path: cannot be created: No such file or directory`.
  public var description: String {
    switch self {
    case .cannotCreate(let path, let code): "\(path): cannot be created: \(String(cString: strerror(code)))"
    case .writeFailed(let path, let code): "\(path): writing failed: \(String(cString: strerror(code)))"
    }
  }

  /// 73, or 74 for a failure of the disk.
  public var exitStatus: ExitStatus {
    switch self {
    case .cannotCreate(_, let code): [ENOSPC, EDQUOT, EIO, EFBIG].contains(code) ? .ioError : .cannotCreate
    case .writeFailed: .ioError
    }
  }
}

/// Writes files that are complete or absent, never half-written, even if the power fails.
///
/// The bytes go to a temporary file in the same directory, which is flushed to disk and then renamed. After a failure the
/// temporary file is removed and an earlier file unchanged.
public enum AtomicFile {
  /// Replaces the file `path` by `bytes`. Throws `OutputError`.
  public static func write(_ bytes: [UInt8], to path: String) throws {
    try write(to: path) { file in try bytes.withUnsafeBytes { try file.write($0) } }
  }

  /// Replaces the file `path` by `text` in UTF-8. Throws `OutputError`.
  public static func write(_ text: String, to path: String) throws {
    try write(Array(text.utf8), to: path)
  }

  /// Replaces the file `path` by what `body` writes piece by piece. Throws `OutputError`, or the error of `body`.
  ///
  /// A symbolic link is kept: its target is replaced. A device or a pipe is not replaced but written to.
  public static func write(to path: String, _ body: (Destination) throws -> Void) throws {
    var status = stat()
    guard stat(path, &status) == 0 else { return try replace(path, body) }
    guard status.st_mode & S_IFMT == S_IFREG else { return try writeInPlace(path, body) }
    guard let resolved = realpath(path, nil) else { throw OutputError.cannotCreate(path: path, code: errno) }
    defer { free(resolved) }
    try replace(String(cString: resolved), body)
  }

  private static func writeInPlace(_ path: String, _ body: (Destination) throws -> Void) throws {
    let descriptor = open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw OutputError.cannotCreate(path: path, code: errno) }
    defer { close(descriptor) }
    try body(Destination(descriptor: descriptor, path: path))
  }

  private static func replace(_ path: String, _ body: (Destination) throws -> Void) throws {
    let directory = directory(of: path)
    let temporary = "\(directory)/.swift-peft-\(getpid())-\(String(UInt64.random(in: 0...(.max)), radix: 36)).tmp"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw OutputError.cannotCreate(path: path, code: errno) }
    do {
      do {
        try body(Destination(descriptor: descriptor, path: path))
        guard fsync(descriptor) == 0 else { throw OutputError.writeFailed(path: path, code: errno) }
      } catch {
        close(descriptor)
        throw error
      }
      guard close(descriptor) == 0 else { throw OutputError.writeFailed(path: path, code: errno) }
      guard rename(temporary, path) == 0 else { throw OutputError.cannotCreate(path: path, code: errno) }
    } catch {
      unlink(temporary)
      throw error
    }
    try synchronize(directory: directory)
  }

  /// Flushes the names in `directory` to disk, so that a rename survives a power failure.
  public static func synchronize(directory: String) throws {
    let descriptor = open(directory, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw OutputError.writeFailed(path: directory, code: errno) }
    defer { close(descriptor) }
    // Some file systems do not support fsync of directories.
    guard fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP else {
      throw OutputError.writeFailed(path: directory, code: errno)
    }
  }

  /// The open file for the body of `write(to:_:)`.
  public struct Destination {
    let descriptor: Int32
    let path: String

    /// Appends `bytes`. Throws `OutputError.writeFailed`.
    public func write(_ bytes: UnsafeRawBufferPointer) throws {
      guard let base = bytes.baseAddress else { return }
      var done = 0
      while done < bytes.count {
        let written = Foundation.write(descriptor, base + done, bytes.count - done)
        if written < 0, errno == EINTR { continue }
        guard written > 0 else { throw OutputError.writeFailed(path: path, code: written < 0 ? errno : EIO) }
        done += written
      }
    }
  }

  /// The directory of `path`: everything before the last slash.
  static func directory(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
