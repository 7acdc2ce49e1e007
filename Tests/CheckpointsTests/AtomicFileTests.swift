import Diagnostics
import Foundation
import Testing

@testable import Checkpoints

@Suite struct AtomicFileTests {
  @Test func replacesAFileAndLeavesNothingElse() throws {
    let scratch = try Scratch()
    let path = try scratch.file("note.txt", "old")
    try AtomicFile.write("new\n", to: path)
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "new\n")
    try AtomicFile.write([UInt8](), to: path)
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)).isEmpty)
    #expect(try scratch.names == ["note.txt"])
  }

  @Test func aMissingDirectoryIsStatus73() throws {
    let scratch = try Scratch()
    expectError(
      "none/a: cannot be created: No such file or directory", dropping: scratch.path, status: .cannotCreate
    ) { try AtomicFile.write("x", to: scratch.path + "/none/a") }
  }

  @Test func aDirectoryInTheWayIsStatus73() throws {
    let scratch = try Scratch()
    try FileManager.default.createDirectory(atPath: scratch.path + "/a", withIntermediateDirectories: false)
    expectError("a: cannot be created: Is a directory", dropping: scratch.path, status: .cannotCreate) {
      try AtomicFile.write("x", to: scratch.path + "/a")
    }
    #expect(try scratch.names == ["a"])
  }

  @Test func afterAFailureTheOldFileStands() throws {
    struct Stop: Error {}
    let scratch = try Scratch()
    let path = try scratch.file("note.txt", "old")
    #expect(throws: Stop.self) {
      try AtomicFile.write(to: path) { file in
        try Array("half".utf8).withUnsafeBytes { try file.write($0) }
        throw Stop()
      }
    }
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
    #expect(try scratch.names == ["note.txt"])
  }

  #if os(Linux)
    @Test func aFullDiskIsStatus74() throws {
      let descriptor = open("/dev/full", O_WRONLY)
      defer { close(descriptor) }
      expectError("a: writing failed: No space left on device", status: .ioError) {
        try [UInt8](repeating: 1, count: 10).withUnsafeBytes {
          try AtomicFile.Destination(descriptor: descriptor, path: "a").write($0)
        }
      }
    }
  #endif

  @Test func aNameWithoutADirectoryIsHere() throws {
    let name = "swift-peft-test-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: name) }
    try AtomicFile.write("x", to: name)
    #expect(try String(contentsOfFile: name, encoding: .utf8) == "x")
  }
}
