import Diagnostics

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A file that could not be written.
public enum OutputError: UserFacingError, Equatable {
  /// The file cannot be created where it should be.
  case cannotCreate(path: String, code: Int32)
  /// Writing failed halfway: the disk is full, say.
  case writeFailed(path: String, code: Int32)

  /// `path: cannot be created: No such file or directory`.
  public var description: String {
    switch self {
    case .cannotCreate(let path, let code): "\(path): cannot be created: \(String(cString: strerror(code)))"
    case .writeFailed(let path, let code): "\(path): writing failed: \(String(cString: strerror(code)))"
    }
  }

  /// 73, or 74 where the place is fine and the disk is not.
  public var exitStatus: ExitStatus {
    switch self {
    case .cannotCreate(_, let code): [ENOSPC, EDQUOT, EIO, EFBIG].contains(code) ? .ioError : .cannotCreate
    case .writeFailed: .ioError
    }
  }
}

/// Writes files that are complete or absent, never half-written, whenever the power fails.
///
/// The bytes go to a temporary file in the same directory, to the disk, and only then to the name; a failure leaves
/// an earlier file of that name as it was and the temporary file removed.
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
  /// A symbolic link stays one: the file that it names is replaced. What is no file of the disk (a device, a pipe) is
  /// never replaced but written to as it stands.
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

  /// Makes the names in `directory` durable: what was renamed stays renamed after a power failure.
  public static func synchronize(directory: String) throws {
    let descriptor = open(directory, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw OutputError.writeFailed(path: directory, code: errno) }
    defer { close(descriptor) }
    // Some file systems know no fsync of directories.
    guard fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP else {
      throw OutputError.writeFailed(path: directory, code: errno)
    }
  }

  /// The open file that `write(to:_:)` passes to its body.
  public struct Destination {
    let descriptor: Int32
    let path: String

    /// Appends `bytes`. Throws `OutputError.writeFailed`.
    public func write(_ bytes: UnsafeRawBufferPointer) throws {
      guard let base = bytes.baseAddress else { return }
      var done = 0
      while done < bytes.count {
        #if canImport(Darwin)
          let written = Darwin.write(descriptor, base + done, bytes.count - done)
        #elseif canImport(Musl)
          let written = Musl.write(descriptor, base + done, bytes.count - done)
        #else
          let written = Glibc.write(descriptor, base + done, bytes.count - done)
        #endif
        if written < 0, errno == EINTR { continue }
        guard written > 0 else { throw OutputError.writeFailed(path: path, code: written < 0 ? errno : EIO) }
        done += written
      }
    }
  }

  /// The directory that holds `path`: what stands before the last slash.
  static func directory(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
