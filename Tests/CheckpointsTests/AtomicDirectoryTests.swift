import Diagnostics
import Foundation
import Testing

@testable import Checkpoints

@Suite struct AtomicDirectoryTests {
  private func write(_ scratch: Scratch, _ text: String) throws {
    try AtomicDirectory.write(to: scratch.path + "/a") { directory in
      try AtomicFile.write(text, to: directory + "/one")
      try AtomicFile.write(text, to: directory + "/two")
    }
  }

  @Test func isThereAsAWhole() throws {
    let scratch = try Scratch()
    try write(scratch, "x")
    #expect(try scratch.names == ["a"])
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/a").sorted() == ["one", "two"])
  }

  @Test func replacesAnEarlierOne() throws {
    let scratch = try Scratch()
    try write(scratch, "old")
    _ = try scratch.file("a/more", "of the old")
    try write(scratch, "new")
    #expect(try scratch.names == ["a"])
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/a").sorted() == ["one", "two"])
    #expect(try String(contentsOfFile: scratch.path + "/a/one", encoding: .utf8) == "new")
  }

  @Test func twoChangePlaces() throws {
    let scratch = try Scratch()
    for name in ["a", "b"] {
      try FileManager.default.createDirectory(atPath: "\(scratch.path)/\(name)", withIntermediateDirectories: false)
      _ = try scratch.file("\(name)/was \(name)", "x")
    }
    #expect(AtomicDirectory.exchange(scratch.path + "/a", scratch.path + "/b"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/a") == ["was b"])
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/b") == ["was a"])
    #expect(!AtomicDirectory.exchange(scratch.path + "/a", scratch.path + "/none"))
  }

  @Test func afterAFailureTheOldOneStands() throws {
    struct Stop: Error {}
    let scratch = try Scratch()
    try write(scratch, "old")
    #expect(throws: Stop.self) {
      try AtomicDirectory.write(to: scratch.path + "/a") { directory in
        try AtomicFile.write("new", to: directory + "/one")
        throw Stop()
      }
    }
    #expect(try scratch.names == ["a"])
    #expect(try String(contentsOfFile: scratch.path + "/a/one", encoding: .utf8) == "old")
  }

  @Test func removesWithEverythingInIt() throws {
    let scratch = try Scratch()
    try write(scratch, "x")
    try FileManager.default.createDirectory(atPath: scratch.path + "/a/b/c", withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(atPath: scratch.path + "/a/link", withDestinationPath: "/etc")
    try AtomicDirectory.remove(scratch.path + "/a")
    #expect(try scratch.names.isEmpty)
    #expect(FileManager.default.fileExists(atPath: "/etc/passwd"))
    #expect(throws: OutputError.self) { try AtomicDirectory.remove(scratch.path + "/a") }
    #expect(try scratch.names.isEmpty)
  }

  @Test func leftoversOfTheDeadGoAndThoseOfTheLivingStay() throws {
    let scratch = try Scratch()
    let dead = Process()
    dead.executableURL = URL(fileURLWithPath: "/bin/true")
    try dead.run()
    dead.waitUntilExit()
    let gone = dead.processIdentifier, own = getpid(), parent = getppid()
    for name in [".swift-peft-\(gone)-a.tmp", ".swift-peft-\(own)-a.tmp", ".swift-peft-\(parent)-a.tmp", "notes"] {
      _ = try scratch.file(name, "x")
    }
    try FileManager.default.createDirectory(
      atPath: scratch.path + "/.swift-peft-\(gone)-b.part/deep", withIntermediateDirectories: true)
    AtomicDirectory.removeLeftovers(in: scratch.path)
    #expect(try scratch.names == [".swift-peft-\(parent)-a.tmp", "notes"].sorted())
  }

  static let sentences: [(any UserFacingError, String, Diagnostics.ExitStatus)] = [
    (OutputError.cannotCreate(path: "a", code: EACCES), "a: cannot be created: Permission denied", .cannotCreate),
    (OutputError.cannotCreate(path: "a", code: ENOSPC), "a: cannot be created: No space left on device", .ioError),
    (OutputError.writeFailed(path: "a", code: EIO), "a: writing failed: Input/output error", .ioError),
    (
      ResultDirectoryError.taken(path: "a", file: "x"),
      "a: already contains x; choose another directory, or pass --overwrite to replace it", .cannotCreate
    ),
    (
      ResultDirectoryError.foreign(path: "a", file: "x"),
      "a: contains x, which export and merge do not write; choose another directory", .cannotCreate
    ),
    (ResultDirectoryError.isFile(path: "a"), "a: cannot be created: a file is in the way", .cannotCreate),
    (
      ResultDirectoryError.isInput(path: "a", input: "a/m"), "a: cannot be replaced: the input a/m is in it",
      .cannotCreate
    ),
  ]

  @Test(arguments: sentences)
  func saysWhatIsWrong(error: any UserFacingError, sentence: String, status: Diagnostics.ExitStatus) {
    #expect(error.description == sentence)
    #expect(error.exitStatus == status)
  }
}

@Suite struct DigestOfFileTests {
  @Test func isSHA256() throws {
    let scratch = try Scratch()
    #expect(
      try Digest.ofFile(scratch.file("a", "abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      try Digest.ofFile(scratch.file("b", "")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
  }
}
