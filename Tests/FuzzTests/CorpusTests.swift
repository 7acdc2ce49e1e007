import Foundation
import FuzzTargets
import Testing

/// Everything that the fuzzer found interesting, and whatever once broke a reader, is read again.
struct CorpusTests {
  private static let corpus = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
    "Corpus")

  @Test(.noHang, arguments: FuzzTarget.all.map(\.name))
  func readsWithoutHarm(target name: String) throws {
    let target = try #require(FuzzTarget.all.first { $0.name == name })
    let folder = Self.corpus.appendingPathComponent(name).path
    let inputs = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    #expect(inputs.count >= 5)
    let directory = try FuzzDirectory()
    for input in inputs {
      let bytes = try #require(FileManager.default.contents(atPath: "\(folder)/\(input)"))
      #expect(throws: Never.self, "\(name)/\(input)") { try target.run([UInt8](bytes), in: directory) }
    }
  }

  @Test func everyFolderIsATarget() throws {
    let folders = try FileManager.default.contentsOfDirectory(atPath: Self.corpus.path).filter { !$0.hasPrefix(".") }
    #expect(Set(folders) == Set(FuzzTarget.all.map(\.name)))
  }

  @Test func isSmall() throws {
    let files = try FileManager.default.subpathsOfDirectory(atPath: Self.corpus.path)
    let sizes = try files.map {
      try FileManager.default.attributesOfItem(atPath: Self.corpus.appendingPathComponent($0).path)[.size] as? Int ?? 0
    }
    #expect(sizes.reduce(0, +) < 400_000)
  }
}
