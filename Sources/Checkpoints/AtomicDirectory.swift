import Diagnostics
import Foundation

/// Writes directories that are complete or absent, even if the process or the power fails.
///
/// A directory is filled under a temporary name beside its own, flushed to disk, and renamed. A directory to be removed
/// is renamed before it is emptied. `removeLeftovers` finds what killed processes left by its name; call it while holding
/// the lock of the directory.
public enum AtomicDirectory {
  private static let prefix = ".swift-peft-"
  private static let suffix = ".part"

  /// Creates or replaces the directory `path`. `body` is given a directory to write to; its files must be on disk when it
  /// returns, as `AtomicFile` leaves them. Throws `OutputError`, or the error of `body`.
  public static func write(to path: String, _ body: (String) throws -> Void) throws {
    try write(to: path, shownAs: path, temporaryName: temporaryName, body)
  }

  /// Errors call the directory `shown`.
  static func write(
    to path: String, shownAs shown: String, temporaryName: (_ parent: String) -> String,
    _ body: (String) throws -> Void
  ) throws {
    let parent = AtomicFile.directory(of: path)
    let temporary = temporaryName(parent)
    guard mkdir(temporary, 0o777) == 0 else { throw OutputError.cannotCreate(path: shown, code: errno) }
    do {
      try body(temporary)
      try AtomicFile.synchronize(directory: temporary)
      try replace(path, by: temporary, aside: temporaryName(parent), shownAs: shown)
    } catch {
      removeTree(temporary)
      throw error
    }
    try AtomicFile.synchronize(directory: parent)
  }

  /// Removes the directory `path`, which is complete until it is gone. Throws `OutputError`.
  public static func remove(_ path: String) throws {
    let grave = temporaryName(in: AtomicFile.directory(of: path))
    guard mkdir(grave, 0o777) == 0 else { throw OutputError.cannotCreate(path: path, code: errno) }
    // A rename replaces an empty directory.
    guard rename(path, grave) == 0 else {
      let code = errno
      rmdir(grave)
      throw OutputError.cannotCreate(path: path, code: code)
    }
    removeTree(grave)
  }

  /// Removes the temporary files and directories of dead processes from `directory`. Call it before this process writes
  /// there, since in a container a dead process may have had the same id.
  public static func removeLeftovers(in directory: String) {
    for name in names(in: directory) {
      guard name.hasPrefix(prefix), name.hasSuffix(suffix) || name.hasSuffix(".tmp"),
        let process = name.dropFirst(prefix.count).split(separator: "-").first.flatMap({ pid_t($0) }),
        process == getpid() || kill(process, 0) != 0 && errno == ESRCH
      else { continue }
      removeTree("\(directory)/\(name)")
    }
  }

  /// Renames `temporary` to `path` and removes what was there, which is never emptied under its own name. If the system
  /// cannot exchange directories, the old one is first renamed to `aside`. Errors call the directory `shown`.
  private static func replace(_ path: String, by temporary: String, aside: String, shownAs shown: String) throws {
    func failure(_ code: Int32) -> OutputError { .cannotCreate(path: shown, code: code) }
    // A rename replaces an empty directory.
    if rename(temporary, path) == 0 { return }
    guard errno == ENOTEMPTY || errno == EEXIST else { throw failure(errno) }
    var old = temporary
    if !exchange(temporary, path) {
      guard rename(path, aside) == 0 else { throw failure(errno) }
      guard rename(temporary, path) == 0 else {
        let code = errno
        rename(aside, path)
        throw failure(code)
      }
      old = aside
    }
    try AtomicFile.synchronize(directory: AtomicFile.directory(of: path))
    removeTree(old)
  }

  /// Exchanges two directories in one step. False if the system or the file system does not support that.
  static func exchange(_ one: String, _ other: String) -> Bool {
    #if os(Linux)
      // The C library exports it, but Swift does not see the declaration, which needs _GNU_SOURCE.
      typealias Function = @convention(c) (CInt, UnsafePointer<CChar>, CInt, UnsafePointer<CChar>, CUnsignedInt) -> CInt
      guard let symbol = dlsym(nil, "renameat2") else { return false }
      let renameExchange: CUnsignedInt = 2
      return unsafeBitCast(symbol, to: Function.self)(AT_FDCWD, one, AT_FDCWD, other, renameExchange) == 0
    #else
      return renamex_np(one, other, UInt32(RENAME_SWAP)) == 0
    #endif
  }

  private static func temporaryName(in parent: String) -> String {
    "\(parent)/\(prefix)\(getpid())-\(String(UInt64.random(in: 0...(.max)), radix: 36))\(suffix)"
  }

  /// Removes a file, or a directory with its contents, as far as possible. Does not follow links.
  private static func removeTree(_ path: String) {
    if unlink(path) == 0 { return }
    for name in names(in: path) { removeTree("\(path)/\(name)") }
    rmdir(path)
  }

  /// The names in a directory; empty if it cannot be read.
  private static func names(in directory: String) -> [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
  }
}
