import Diagnostics

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Writes directories that are complete or absent, whenever the process or the power fails.
///
/// A directory is filled under a temporary name beside its own, put on the disk, and renamed. A directory that goes is
/// renamed before it is emptied. What a killed process leaves is told by its name: `removeLeftovers`, which those call
/// that hold the directory's lock.
public enum AtomicDirectory {
  private static let prefix = ".swift-peft-"
  private static let suffix = ".part"

  /// Makes the directory `path` of what `body` writes into the one it is given, replacing an earlier one. The files
  /// must be on the disk when `body` returns, as `AtomicFile` leaves them. Throws `OutputError`, or the error of `body`.
  public static func write(to path: String, _ body: (String) throws -> Void) throws {
    let parent = AtomicFile.directory(of: path)
    let temporary = try makeTemporary(in: parent, for: path)
    do {
      try body(temporary)
      try AtomicFile.synchronize(directory: temporary)
      if rename(temporary, path) != 0 {
        guard errno == ENOTEMPTY || errno == EEXIST else { throw OutputError.cannotCreate(path: path, code: errno) }
        if exchange(temporary, path) {
          try AtomicFile.synchronize(directory: parent)
          removeTree(temporary)
        } else {
          try remove(path)
          guard rename(temporary, path) == 0 else { throw OutputError.cannotCreate(path: path, code: errno) }
        }
      }
    } catch {
      removeTree(temporary)
      throw error
    }
    try AtomicFile.synchronize(directory: parent)
  }

  /// Removes the directory `path`, which is there as a whole or not at all at any instant. Throws `OutputError`.
  public static func remove(_ path: String) throws {
    let parent = AtomicFile.directory(of: path)
    let grave = try makeTemporary(in: parent, for: path)
    // A rename replaces an empty directory.
    guard rename(path, grave) == 0 else {
      let code = errno
      rmdir(grave)
      throw OutputError.cannotCreate(path: path, code: code)
    }
    removeTree(grave)
  }

  /// Removes what dead processes left in `directory`: temporary files and directories of writers that are no more.
  /// Before this process writes there: in a container the dead one may have had its number.
  public static func removeLeftovers(in directory: String) {
    for name in names(in: directory) {
      guard name.hasPrefix(prefix), name.hasSuffix(suffix) || name.hasSuffix(".tmp"),
        let process = name.dropFirst(prefix.count).split(separator: "-").first.flatMap({ pid_t($0) }),
        process == getpid() || kill(process, 0) != 0 && errno == ESRCH
      else { continue }
      removeTree("\(directory)/\(name)")
    }
  }

  /// Lets two directories change places, so that there is no instant at which one is missing. False where the system or
  /// its file system cannot.
  static func exchange(_ one: String, _ other: String) -> Bool {
    #if os(Linux)
      // The C library has it, its headers only for programs in C that ask for GNU's extensions.
      typealias Function = @convention(c) (CInt, UnsafePointer<CChar>, CInt, UnsafePointer<CChar>, CUnsignedInt) -> CInt
      guard let symbol = dlsym(nil, "renameat2") else { return false }
      let renameExchange: CUnsignedInt = 2
      return unsafeBitCast(symbol, to: Function.self)(AT_FDCWD, one, AT_FDCWD, other, renameExchange) == 0
    #else
      return renamex_np(one, other, UInt32(RENAME_SWAP)) == 0
    #endif
  }

  private static func makeTemporary(in parent: String, for path: String) throws -> String {
    let temporary = "\(parent)/\(prefix)\(getpid())-\(String(UInt64.random(in: 0...(.max)), radix: 36))\(suffix)"
    guard mkdir(temporary, 0o777) == 0 else { throw OutputError.cannotCreate(path: path, code: errno) }
    return temporary
  }

  /// Removes a file, or a directory with all that is in it, as far as that can be done. Links are not followed.
  private static func removeTree(_ path: String) {
    if unlink(path) == 0 { return }
    for name in names(in: path) { removeTree("\(path)/\(name)") }
    rmdir(path)
  }

  /// The names in a directory; none where it cannot be read.
  private static func names(in directory: String) -> [String] {
    guard let stream = opendir(directory) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }
}
