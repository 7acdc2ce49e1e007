#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Reads whole files that someone else wrote, whatever they turn out to be: a device without end, a pipe that nobody
/// writes to, a sparse file larger than memory.
public enum InputFile {
  /// Why a file cannot be read whole.
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

  /// The longest text that makes a JSON file or a vocabulary.
  public static let textLimit = 100_000_000
  /// The longest data file: what is read takes memory of several times its size.
  public static let dataLimit = max(textLimit, sysconf(Int32(_SC_PHYS_PAGES)) / 4 * sysconf(Int32(_SC_PAGESIZE)))

  /// The bytes of the file at `path`, or of a pipe where `allowsPipe`. A pipe that nobody writes to is empty.
  public static func read(_ path: String, limit: Int, allowsPipe: Bool = false) throws(Failure) -> [UInt8] {
    // Without O_NONBLOCK a pipe would keep `open` waiting for its writer.
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

  /// `read`, which waits for a pipe's writer.
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
  /// The text, cut where it is longer than a message bears.
  public var clipped: String { utf8.count > 200 ? String(unicodeScalars.prefix(200)) + "…" : self }
}
