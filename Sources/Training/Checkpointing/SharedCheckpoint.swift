import Cluster
import Configuration
import Foundation
import Kernels

extension Cluster {
  /// Runs `body` with rank 0's checkpoint, or with nil where it has none.
  ///
  /// The other ranks get its files' bytes and read them as rank 0 does, from a private directory that is gone afterwards:
  /// only rank 0 needs to see the output directory.
  func withCheckpoint<Value>(
    _ own: Checkpoint?, catalog: Catalog, _ body: (Checkpoint?) throws -> Value
  ) throws -> Value {
    guard broadcast(own != nil) else { return try body(nil) }
    if isAlone { return try body(own) }
    let directory = ReceivedCheckpoints.newPath()
    defer { if !leads { try? FileManager.default.removeItem(atPath: directory) } }
    let names = receive((own?.fileNames ?? []).joined(separator: "\n")).split(separator: "\n").map(String.init)
    for name in names {
      let bytes = try together {
        leads ? try own.map { try Self.read("\($0.path)/\(name)") } ?? [] : []
      }
      let received = broadcast(bytes)
      try together {
        if !leads { try Self.write(received, to: "\(directory)/\(name)") }
      }
    }
    return try body(together { leads ? own : try Checkpoint(path: directory, catalog: catalog) })
  }

  private func receive(_ text: String) -> String { String(decoding: broadcast(Array(text.utf8)), as: UTF8.self) }

  private static func read(_ path: String) throws -> [UInt8] {
    let file = try MappedFile(path: path)
    return file.copy(0..<file.count)
  }

  private static func write(_ bytes: [UInt8], to path: String) throws {
    let files = FileManager.default
    do {
      try files.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true,
        attributes: [.posixPermissions: 0o700])
      try Data(bytes).write(to: URL(fileURLWithPath: path))
    } catch {
      let reason = (error as NSError).posixCode.map { String(cString: strerror(Int32($0))) }
      throw RunError.outputUnusable(directory: path, reason: reason ?? error.localizedDescription)
    }
  }
}
