import Diagnostics
import Foundation
import Testing

/// Which files a pattern finds. Expected is what Python's `glob(pattern, recursive=True)` gives, files alone, sorted.
@Suite final class GlobFileTests {
  private let folder = NSTemporaryDirectory() + "swift-peft-glob-" + UUID().uuidString

  /// Two names that Swift's strings call equal: é in one code point and in two.
  private static let composed = "caf\u{E9}.tsv", decomposed = "cafe\u{301}.tsv"

  init() throws {
    let names = [
      "train-2.csv", "train-10.csv", "Train-1.csv", ".train-0.csv", "a/train-1.csv", "a/b/train-1.csv",
      "a-b/train-1.csv", "a/.hidden/train-1.csv", Self.composed, Self.decomposed,
    ]
    for name in names {
      let url = URL(fileURLWithPath: "\(folder)/\(name)")
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data().write(to: url)
    }
    try FileManager.default.createDirectory(atPath: "\(folder)/train-folder.csv", withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(atPath: "\(folder)/a/circle", withDestinationPath: "..")
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  @Test(arguments: [
    ("train-*.csv", ["train-10.csv", "train-2.csv"]), ("[Tt]rain-?.csv", ["Train-1.csv", "train-2.csv"]),
    (".train-*", [".train-0.csv"]), ("*/train-*.csv", ["a-b/train-1.csv", "a/train-1.csv"]),
    (
      "**/train-1*.csv", ["a-b/train-1.csv", "a/b/train-1.csv", "a/train-1.csv", "train-10.csv"]
    ),
    ("a/**", ["a/b/train-1.csv", "a/train-1.csv"]), ("a/**/**/train*", ["a/b/train-1.csv", "a/train-1.csv"]),
    ("none-*", []), ("train-2.csv/*", []), ("*.tsv", [decomposed, composed]),
  ])
  func filesInTheOrderOfTheirNames(pattern: String, expected: [String]) {
    let found = Glob.files(matching: "\(folder)/\(pattern)")
    let bytes = found.map { Array($0.utf8.dropFirst(folder.utf8.count + 1)) }
    #expect(bytes == expected.map { Array($0.utf8) }, "\(found)")
  }

  @Test func whatIsAPattern() {
    #expect(["*", "a?.txt", "[ab]"].allSatisfy(Glob.isPattern))
    #expect(!Glob.isPattern("data/train {1}.csv"))
  }
}
