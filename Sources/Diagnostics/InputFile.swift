#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

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
    #if canImport(Glibc)
      let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
    #elseif canImport(Musl)
      let count = Musl.read(descriptor, buffer.baseAddress, buffer.count)
    #else
      let count = Darwin.read(descriptor, buffer.baseAddress, buffer.count)
    #endif
    guard count < 0, errno == EAGAIN || errno == EINTR else { return count }
    var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    poll(&wait, 1, -1)
    return read(descriptor, into: buffer)
  }
}

extension String {
  /// The text, cut if it is too long for a message.
  public var clipped: String { utf8.count > 200 ? String(unicodeScalars.prefix(200)) + "…" : self }
}
