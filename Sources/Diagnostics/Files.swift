import Foundation

/// Reads whole files that may be anything: an endless device, a pipe without a writer, a sparse file larger than memory.
public enum InputFile {
  /// Why a file cannot be read.
  public enum Failure: Error, Equatable, CustomStringConvertible {
    /// The system's error number.
    case system(Int32)
    case notAFile
    case tooLarge(limit: Int)

    /// `no such file`, `is a directory`, `not a regular file`, …
    public var description: String {
      switch self {
      case .system(ENOENT): "no such file"
      case .system(EISDIR): "is a directory"
      case .system(let code): String(cString: strerror(code))
      case .notAFile: "not a regular file"
      case .tooLarge(let limit): "larger than \(limit) bytes"
      }
    }
  }

  /// The size limit of JSON files and vocabularies.
  public static let textLimit = 100_000_000
  /// The size limit of data files, which take several times their size in memory.
  public static let dataLimit = max(textLimit, sysconf(Int32(_SC_PHYS_PAGES)) / 4 * sysconf(Int32(_SC_PAGESIZE)))

  /// The bytes of the file at `path`, or of a pipe if `allowsPipe`. A pipe without a writer is empty.
  public static func read(_ path: String, limit: Int, allowsPipe: Bool = false) throws(Failure) -> [UInt8] {
    // Without O_NONBLOCK, `open` would wait for the writer of a pipe.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .system(errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .system(errno) }
    let kind = status.st_mode & S_IFMT
    if kind == S_IFDIR { throw .system(EISDIR) }
    guard kind == S_IFREG || (allowsPipe && kind == S_IFIFO) else { throw .notAFile }
    guard status.st_size <= limit else { throw .tooLarge(limit: limit) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(status.st_size))
    var piece = [UInt8](repeating: 0, count: min(1 << 20, max(4096, Int(status.st_size) + 1)))
    while true {
      let count = piece.withUnsafeMutableBytes { Self.read(descriptor, into: $0) }
      if count == 0 { return bytes }
      guard count > 0 else { throw .system(errno) }
      bytes += piece[..<count]
      if bytes.count > limit { throw .tooLarge(limit: limit) }
    }
  }

  /// `read` that waits for the writer of a pipe.
  private static func read(_ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer) -> Int {
    let count = Foundation.read(descriptor, buffer.baseAddress, buffer.count)
    guard count < 0, errno == EAGAIN || errno == EINTR else { return count }
    var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    poll(&wait, 1, -1)
    return read(descriptor, into: buffer)
  }
}

/// Creates directories whose names survive a power failure.
public enum DurableDirectory {
  /// Why a directory cannot be created.
  public struct Failure: Error, Equatable, CustomStringConvertible {
    /// The system's error number.
    public let code: Int32
    /// `Permission denied`, …
    public var description: String { String(cString: strerror(code)) }
  }

  /// Creates the directory `path` and its missing parents. Each new name is flushed to disk.
  public static func create(_ path: String) throws(Failure) {
    if path.isDirectory { return }
    if access(path, F_OK) == 0 { throw Failure(code: ENOTDIR) }
    let parent = parent(of: path)
    if parent != path { try create(parent) }
    guard mkdir(path, 0o777) == 0 || errno == EEXIST else { throw Failure(code: errno) }
    // Another process may have created the same name, and it may be a file.
    guard path.isDirectory else { throw Failure(code: ENOTDIR) }
    synchronize(parent)
  }

  /// As far as possible: a directory of another user may not be readable.
  private static func synchronize(_ directory: String) {
    let descriptor = open(directory, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
  }

  private static func parent(of path: String) -> String {
    let slash = UInt8(ascii: "/")
    guard let last = path.utf8.lastIndex(of: slash) else { return "." }
    let parent = path[..<last]
    return parent.utf8.allSatisfy { $0 == slash } ? "/" : String(parent)
  }
}

extension String {
  /// Whether this is the path of a directory.
  public var isDirectory: Bool {
    var status = stat()
    return stat(self, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// Whether this is a relative path that stays inside a directory it is appended to, apart from links.
  ///
  /// Checks bytes, like the system: for Swift, a slash and a combining mark form another character.
  public var isPathInside: Bool {
    let parts = utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    return !utf8.contains(0) && !parts.contains { $0.isEmpty || $0.elementsEqual("..".utf8) }
  }
}
