import Diagnostics
import Foundation

/// Why a file cannot be opened or mapped.
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

  /// The `code` for a device, a pipe or a socket.
  public static let notAFile: Int32 = -1
  /// The `code` for a file longer than `InputFile.textLimit`.
  public static let tooLarge: Int32 = -2

  /// `path: No such file or directory`.
  public var description: String {
    switch code {
    case Self.notAFile: "\(path): not a regular file"
    case Self.tooLarge: "\(path): larger than \(InputFile.textLimit) bytes, the limit for files of this kind"
    default: "\(path): \(String(cString: strerror(code)))"
    }
  }
  /// 66: an input is missing or cannot be opened.
  public var exitStatus: ExitStatus { .missingInput }
}

/// A memory-mapped, read-only file. Threads may share it.
public final class MappedFile: Sendable {
  /// The file's path.
  public let path: String
  /// The size in bytes when it was mapped.
  public let count: Int
  private nonisolated(unsafe) let base: UnsafeRawPointer?

  /// Maps the whole file. Throws `FileError`.
  public init(path: String) throws {
    self.path = path
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)  // A pipe must not keep `open` waiting.
    guard descriptor >= 0 else { throw FileError(path: path, code: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError(path: path, code: errno) }
    let kind = status.st_mode & S_IFMT
    guard kind == S_IFREG else { throw FileError(path: path, code: kind == S_IFDIR ? EISDIR : FileError.notAFile) }
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

  /// The bytes, valid as long as `self`.
  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

  /// Drops the pages inside `range` from memory (madvise). They are read again when needed.
  public func forget(_ range: Range<Int>) {
    guard let base else { return }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let first = (range.lowerBound + page - 1) / page * page, end = range.upperBound / page * page
    if end > first { madvise(UnsafeMutableRawPointer(mutating: base + first), end - first, MADV_DONTNEED) }
  }

  /// A copy of all bytes of a text file. Throws `FileError` if it is longer than `InputFile.textLimit`.
  public func text() throws -> [UInt8] {
    if count > InputFile.textLimit { throw FileError(path: path, code: FileError.tooLarge) }
    return copy(0..<count)
  }

  /// A copy of `range`.
  public func copy(_ range: Range<Int>) -> [UInt8] { Array(bytes[range]) }
}
