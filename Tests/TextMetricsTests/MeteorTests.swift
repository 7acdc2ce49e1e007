import Foundation
import Testing

@testable import Metrics

/// METEOR against pycocoevalcap (scripts/golden/meteor.py). `METEOR_JAR` says where the program is.
@Suite struct MeteorTests {
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Golden")
  static let isThere = (try? Meteor()) != nil

  private static func json<Value: Decodable>(_ name: String, _ type: Value.Type) throws -> Value {
    try JSONDecoder().decode(type, from: Data(contentsOf: folder.appendingPathComponent(name)))
  }

  @Test(.enabled(if: isThere, "METEOR_JAR does not name meteor-1.5.jar, or there is no Java"))
  func theSample() throws {
    let sample = try Self.json("sample.json", GoldenTests.Sample.self)
    let expected = try #require(Self.json("meteor.json", [String: Double].self)["sample"])
    #expect(abs(try Meteor().score(sample.examples) - expected) < 1e-7)
    #expect(try Meteor().score([]) == 0)
  }

  /// The whole development set, where `E2E_DIR` says where it is.
  @Test(.enabled(if: isThere && ProcessInfo.processInfo.environment["E2E_DIR"] != nil))
  func theDevelopmentSet() throws {
    let directory = try #require(ProcessInfo.processInfo.environment["E2E_DIR"])
    let expected = try #require(Self.json("meteor.json", [String: Double].self)["devset"])
    #expect(abs(try Meteor().score(GoldenTests.developmentSet("\(directory)/devset.csv")) - expected) < 1e-7)
  }

  @Test func whyItCannotBeHad() throws {
    func reason(_ environment: [String: String]) -> String {
      do {
        _ = try Meteor(environment: environment)
        return ""
      } catch { return error.description }
    }
    #expect(reason([:]) == "METEOR_JAR does not name meteor-1.5.jar (PyPI's pycocoevalcap holds one)")
    #expect(reason(["METEOR_JAR": "/nowhere/m.jar"]) == "/nowhere/m.jar: no such file (METEOR_JAR)")
    #expect(reason(["METEOR_JAR": #filePath, "PATH": "/nowhere"]) == "it needs Java, and there is none on the PATH")
  }

  /// Programs that are no METEOR: one that says nothing, and one that says what it is told.
  @Test(arguments: [
    ("exit 3", "its program ended early"), ("exec cat", "answers \"SCORE ||| a b ||| a b\", no number"),
  ])
  func programsThatFail(script: String, problem: String) throws {
    let folder = NSTemporaryDirectory() + "meteor-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try "#!/bin/sh\n\(script)\n".write(toFile: folder + "/java", atomically: true, encoding: .utf8)
    try "".write(toFile: folder + "/m.jar", atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/java")
    let meteor = try Meteor(environment: ["METEOR_JAR": folder + "/m.jar", "PATH": folder])
    do {
      _ = try meteor.score([GenerationExample(candidate: "a b", references: ["a b"])])
      Issue.record("a score")
    } catch { #expect(error.description.contains(problem), "\(error)") }
  }
}
