import Checkpoints
import Foundation
import Testing

@Suite struct AtomicFileTargetTests {
  private func folder() throws -> URL {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("atomic-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    return url
  }

  @Test func aSymbolicLinkStaysAndItsFileIsReplaced() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let target = folder.appendingPathComponent("target"), link = folder.appendingPathComponent("link")
    try Data("old".utf8).write(to: target)
    try FileManager.default.createSymbolicLink(at: link, withDestinationURL: target)
    try AtomicFile.write("new", to: link.path)
    #expect(try String(contentsOf: target, encoding: .utf8) == "new")
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link.path) == target.path)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 2)
  }

  @Test func aDeviceIsWrittenToAndStaysADevice() throws {
    // A link to the device, so that a failure of this test replaces the link and not the device.
    let folder = try folder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let full = folder.appendingPathComponent("full"), null = folder.appendingPathComponent("null")
    try FileManager.default.createSymbolicLink(atPath: full.path, withDestinationPath: "/dev/full")
    try FileManager.default.createSymbolicLink(atPath: null.path, withDestinationPath: "/dev/null")
    try AtomicFile.write("text", to: null.path)
    #expect(throws: OutputError.self) { try AtomicFile.write("text", to: full.path) }
    for link in [full, null] {
      #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link.path).hasPrefix("/dev/"))
    }
  }
}
