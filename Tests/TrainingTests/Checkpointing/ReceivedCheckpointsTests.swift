import Foundation
import Testing

@testable import Training

@Suite struct ReceivedCheckpointsTests {
  /// What processes left that were killed goes when the next one needs room; all else stays.
  @Test func thoseOfDeadProcessesAreRemoved() throws {
    let files = FileManager.default
    let parent = NSTemporaryDirectory() + "swift-peft-received-" + UUID().uuidString
    defer { try? files.removeItem(atPath: parent) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/true")
    try process.run()
    process.waitUntilExit()
    let dead = process.processIdentifier, name = "swift-peft-checkpoint-", unique = UUID().uuidString
    let kept = ["\(name)\(getpid())-\(unique)", "\(name)1-\(unique)", "\(name)x-\(unique)", "other-\(dead)-\(unique)"]
    for name in kept + ["\(name)\(dead)-\(unique)"] {
      try files.createDirectory(atPath: "\(parent)/\(name)/best", withIntermediateDirectories: true)
    }
    let path = ReceivedCheckpoints.newPath(in: parent)
    #expect(path.hasPrefix("\(parent)/\(name)\(getpid())-") && !files.fileExists(atPath: path))
    #expect(try files.contentsOfDirectory(atPath: parent).sorted() == kept.sorted())
  }
}
