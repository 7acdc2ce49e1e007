import Foundation
internal import GRDB

/// Identifies a process, so that a later one can tell whether it still runs: a row of `processes`.
public struct ProcessIdentity: Sendable, Equatable {
  /// The machine's name.
  public var host: String
  /// Identifies this boot of the machine; empty if the system does not name it.
  public var boot: String
  /// The namespace of process ids, which differs between containers; empty if the system has none.
  public var pidNamespace: String
  /// The process id.
  public var pid: Int
  /// When it started, in the system's units; empty if unknown. Ids are reused, start times are not.
  public var started: String

  /// This process.
  public static var current: ProcessIdentity {
    let pid = Int(getpid())
    return ProcessIdentity(
      host: hostName, boot: text("/proc/sys/kernel/random/boot_id"),
      pidNamespace: (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")) ?? "",
      pid: pid, started: startTime(pid) ?? "")
  }

  /// Whether the process is known to be gone. Processes of other machines and containers cannot be seen and never are.
  public func isGone(seenFrom observer: ProcessIdentity = .current) -> Bool {
    guard host == observer.host, !boot.isEmpty, !observer.boot.isEmpty else { return false }
    if boot != observer.boot { return true }
    guard pidNamespace == observer.pidNamespace, !started.isEmpty else { return false }
    return Self.startTime(pid) != started
  }

  /// Field 22 of `/proc/PID/stat`, counted from the end of the command's name, which may contain anything; nil if there
  /// is no such process, or only a zombie.
  private static func startTime(_ pid: Int) -> String? {
    let stat = text("/proc/\(pid)/stat")
    guard let end = stat.lastIndex(of: ")") else { return nil }
    let fields = stat[stat.index(after: end)...].split(separator: " ")
    guard fields.count > 19, fields[0] != "Z", fields[0] != "X" else { return nil }
    return String(fields[19])
  }

  /// From the system; no name server is queried.
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

extension ProcessIdentity: TableRow {
  static let databaseTableName = "processes"
}
