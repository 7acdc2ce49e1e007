import Diagnostics
import Foundation
import RunStore
import StrictJSON

/// Keeps other processes from training into an output directory, for as long as this object or its process lives.
///
/// The lock is the system's (`flock`), so that nothing is left of it when a process is killed. The file says who holds
/// it; it goes when the lock is released.
final class OutputLock: Sendable {
  private let descriptor: Int32
  private let path: String

  static let fileName = ".lock"

  /// Locks `directory`, which exists. Throws `RunError.outputLocked` with who holds it.
  init(_ directory: String) throws {
    path = "\(directory)/\(Self.fileName)"
    descriptor = try Self.lock(path, directory: directory)
    let holder = ProcessIdentity.current
    let text = JSONWriter.text(
      ["pid": .integer(holder.pid), "host": .string(holder.host), "since": .string(RunStore.now())], pretty: false)
    ftruncate(descriptor, 0)
    _ = Array(text.utf8).withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
  }

  deinit {
    // First the name, then the lock: whoever opened the file meanwhile sees that it is not the one of that name.
    unlink(path)
    close(descriptor)
  }

  /// Throws where another process trains into `directory`; leaves no trace.
  static func refuseIfHeld(_ directory: String) throws {
    let path = "\(directory)/\(fileName)"
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    if flock(descriptor, LOCK_SH | LOCK_NB) != 0, errno == EWOULDBLOCK {
      throw RunError.outputLocked(directory: directory, holder: holder(path))
    }
  }

  /// Another process that only looks holds the lock for an instant, so this tries for a while.
  private static func lock(_ path: String, directory: String) throws -> Int32 {
    for attempt in 0... {
      // The file is emptied: a link in a directory that came from elsewhere must not lead to another one.
      let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o666)
      guard descriptor >= 0 else { throw unusable(directory, errno) }
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 {
        var opened = stat(), named = stat()
        if fstat(descriptor, &opened) == 0, stat(path, &named) == 0, opened.st_ino == named.st_ino { return descriptor }
      } else if errno != EWOULDBLOCK {
        let code = errno
        close(descriptor)
        throw unusable(directory, code)
      } else if attempt >= 20 {
        close(descriptor)
        throw RunError.outputLocked(directory: directory, holder: holder(path))
      }
      close(descriptor)
      usleep(10_000)
    }
    throw unusable(directory, EDEADLK)
  }

  private static func unusable(_ directory: String, _ code: Int32) -> RunError {
    .outputUnusable(directory: directory, reason: String(cString: strerror(code)))
  }

  /// "process 4711 on host since …", as far as the file tells.
  private static func holder(_ path: String) -> String {
    guard let bytes = try? InputFile.read(path, limit: 10_000), let node = try? JSONParser.parse(bytes, file: path),
      let pid = node["pid"]?.integer, let host = node["host"]?.string, let since = node["since"]?.string
    else { return "another process" }
    return "process \(pid) on \(host), since \(since)"
  }
}
