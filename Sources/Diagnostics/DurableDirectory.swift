#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

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
    var status = stat()
    if stat(path, &status) == 0 {
      guard status.st_mode & S_IFMT == S_IFDIR else { throw Failure(code: ENOTDIR) }
      return
    }
    let parent = parent(of: path)
    if parent != path { try create(parent) }
    guard mkdir(path, 0o777) == 0 || errno == EEXIST else { throw Failure(code: errno) }
    // Another process may have created the same name, and it may be a file.
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { throw Failure(code: ENOTDIR) }
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
