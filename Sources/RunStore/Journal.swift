internal import CStatFS
import Foundation

/// How SQLite keeps a database whole when a process or the power fails.
public enum Journal: String, Sendable {
  /// Write-ahead logging: readers and a writer do not wait for each other. All of them need the same memory, hence the
  /// same machine.
  case wal
  /// A rollback journal. Needs nothing but file locks, so processes of several machines can share the file.
  case rollback = "delete"

  /// The journal for a file on `fileSystem`; unknown file systems are taken for local ones.
  public init(for fileSystem: FileSystem?) { self = fileSystem?.networkName == nil ? .wal : .rollback }
}

/// The kind of a file system, as the Linux kernel numbers it.
public struct FileSystem: Sendable, Equatable {
  /// `f_type` of `statfs`.
  public let type: UInt32

  /// The file system with this number.
  public init(type: UInt32) { self.type = type }

  /// The file system of `path`, or of the first of its parents that exists; nil if it cannot be asked.
  public init?(of path: String) {
    var url = URL(fileURLWithPath: path).standardizedFileURL
    while url.path != "/", !FileManager.default.fileExists(atPath: url.path) { url = url.deletingLastPathComponent() }
    var facts = statfs()
    guard statfs(url.path, &facts) == 0 else { return nil }
    type = UInt32(truncatingIfNeeded: facts.f_type)
  }

  /// What people call it if several machines share it, on which write-ahead logging loses data; nil for all others.
  public var networkName: String? {
    switch type {
    case 0x6969: "NFS"
    case 0x0BD0_0BD0: "Lustre"
    case 0x4750_4653: "GPFS"
    case 0xFF53_4D42, 0xFE53_4D42: "SMB"
    case 0x1983_0326: "BeeGFS"
    case 0x00C3_6400: "CephFS"
    default: nil
    }
  }
}
