import Diagnostics
import Foundation
import Testing

@Suite struct DurableDirectoryTests {
  let root = FileManager.default.temporaryDirectory.appendingPathComponent("DurableDirectoryTests-\(UUID())").path

  @Test func createsWhatIsMissing() throws {
    defer { try? FileManager.default.removeItem(atPath: root) }
    for path in ["\(root)/a/b", "\(root)/a/b", "\(root)/c//d/", "\(root)/a/../e/f", root] {
      try DurableDirectory.create(path)
      var isDirectory: ObjCBool = false
      #expect(FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory.boolValue)
    }
  }

  @Test func saysWhyNot() throws {
    defer { try? FileManager.default.removeItem(atPath: root) }
    try DurableDirectory.create(root)
    try Data().write(to: URL(fileURLWithPath: "\(root)/file"))
    for path in ["\(root)/file", "\(root)/file/a/b"] {
      let failure = #expect(throws: DurableDirectory.Failure.self) { try DurableDirectory.create(path) }
      #expect(failure?.description == "Not a directory")
    }
    #expect(throws: DurableDirectory.Failure.self) { try DurableDirectory.create("") }
    #expect(throws: DurableDirectory.Failure.self) { try DurableDirectory.create("/proc/none") }
  }
}
