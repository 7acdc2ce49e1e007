import Diagnostics

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A file that cannot be opened or mapped.
public struct FileError: UserFacingError, Equatable {
  /// The file.
  public let path: String
  /// The system's error number.
  public let code: Int32

  /// The error `code` about the file `path`.
  public init(path: String, code: Int32) {
    self.path = path
    self.code = code
  }

  /// `path: No such file or directory`.
  public var description: String { "\(path): \(String(cString: strerror(code)))" }
  /// 66: an input is missing or cannot be opened.
  public var exitStatus: ExitStatus { .missingInput }
}

/// A read-only file in memory; its pages come from disk as they are touched.
///
/// The bytes never change through this object, so sharing it between threads is safe.
public final class MappedFile: Sendable {
  /// Where the file is.
  public let path: String
  /// Bytes in the file when it was mapped.
  public let count: Int
  private nonisolated(unsafe) let base: UnsafeRawPointer?

  /// Maps the whole file. Throws `FileError`.
  public init(path: String) throws {
    self.path = path
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError(path: path, code: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError(path: path, code: errno) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw FileError(path: path, code: EISDIR) }
    count = Int(status.st_size)
    if count == 0 {
      base = nil
      return
    }
    guard let mapped = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), mapped != MAP_FAILED else {
      throw FileError(path: path, code: errno)
    }
    base = UnsafeRawPointer(mapped)
  }

  deinit {
    if let base { munmap(UnsafeMutableRawPointer(mutating: base), count) }
  }

  /// The mapped bytes, valid while `self` lives.
  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

  /// Lets the memory of whole pages inside `range` go; they come from the file again when touched.
  func forget(_ range: Range<Int>) {
    guard let base else { return }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let first = (range.lowerBound + page - 1) / page * page, end = range.upperBound / page * page
    if end > first { madvise(UnsafeMutableRawPointer(mutating: base + first), end - first, MADV_DONTNEED) }
  }

  /// A copy of `range`.
  public func copy(_ range: Range<Int>) -> [UInt8] { Array(bytes[range]) }
}
