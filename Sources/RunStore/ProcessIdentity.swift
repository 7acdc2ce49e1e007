import Foundation

/// Names a process so that a later one can tell whether it still runs.
public struct ProcessIdentity: Sendable, Equatable {
  /// The machine's name.
  public var host: String
  /// Names this start of the machine; empty where the system has no such name.
  public var boot: String
  /// Where process numbers are counted: containers have their own; empty where the system has no such thing.
  public var pidNamespace: String
  /// The process's number.
  public var pid: Int
  /// When it started, as the system counts; empty where that is unknown. Numbers are used again, these are not.
  public var started: String

  /// A process of its parts.
  public init(host: String, boot: String, pidNamespace: String, pid: Int, started: String) {
    self.host = host
    self.boot = boot
    self.pidNamespace = pidNamespace
    self.pid = pid
    self.started = started
  }

  /// This process.
  public static var current: ProcessIdentity {
    let pid = Int(getpid())
    return ProcessIdentity(
      host: hostName, boot: text("/proc/sys/kernel/random/boot_id"),
      pidNamespace: (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")) ?? "",
      pid: pid, started: startTime(pid) ?? "")
  }

  /// Whether the process is known to be gone. A process of another machine or container is not: it can't be seen.
  public func isGone(seenFrom observer: ProcessIdentity = .current) -> Bool {
    guard host == observer.host, !boot.isEmpty, !observer.boot.isEmpty else { return false }
    if boot != observer.boot { return true }
    guard pidNamespace == observer.pidNamespace, !started.isEmpty else { return false }
    return Self.startTime(pid) != started
  }

  /// The 22nd field of `/proc/PID/stat`, counted behind the command's name, which may hold anything; nil where there is
  /// no such process. A process that has ended and is not yet waited for is no process any more.
  private static func startTime(_ pid: Int) -> String? {
    let stat = text("/proc/\(pid)/stat")
    guard let end = stat.lastIndex(of: ")") else { return nil }
    let fields = stat[stat.index(after: end)...].split(separator: " ")
    guard fields.count > 19, fields[0] != "Z", fields[0] != "X" else { return nil }
    return String(fields[19])
  }

  /// Asked of the system, not of a name server.
  private static var hostName: String {
    var name = [CChar](repeating: 0, count: 256)
    return gethostname(&name, name.count - 1) == 0
      ? String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self) : ""
  }

  private static func text(_ path: String) -> String {
    guard let data = FileManager.default.contents(atPath: path) else { return "" }
    return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
