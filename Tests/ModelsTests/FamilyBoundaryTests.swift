import Foundation
import Models
import Testing

/// A family is one file: nothing else in the sources asks which family a model is of.
@Suite struct FamilyBoundaryTests {
  static let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Sources")

  /// Every Swift file but the families' own, the benchmark's, which writes a config, and those with llama.cpp's names of
  /// tokenizers, which are called after families.
  private func files() throws -> [String] {
    let all = try #require(FileManager.default.subpaths(atPath: Self.sources.path))
    return all.filter { path in
      path.hasSuffix(".swift")
        && ![
          "Models/Families/", "swift-peft-bench/", "Checkpoints/GGUFTokenizerKind.swift", "Tokenizers/WordRule.swift",
        ].contains { path.hasPrefix($0) }
    }
  }

  @Test func onlyTheRegistryNamesFamilies() throws {
    let types = Architecture.all.map(\.modelType)
    #expect(
      types == [
        "bert", "roberta", "distilbert", "xlm-roberta", "camembert", "electra", "albert", "mpnet", "deberta-v2",
        "modernbert", "gpt2", "llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "gemma3", "phi3",
        "smollm3", "olmo2", "granite",
      ])
    var found: [(place: String, code: Substring)] = []
    for path in try files() {
      // A tokenizer has post-processors that are called after the family that they come from.
      let names = types.flatMap { path.hasPrefix("Tokenizers/") ? ["\"\($0)\""] : ["\"\($0)\"", ".\($0)"] }
      let text = try String(contentsOf: Self.sources.appendingPathComponent(path), encoding: .utf8)
      for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
        let code = line.range(of: "//").map { line[..<$0.lowerBound] } ?? line
        if names.contains(where: { namesFamily(code, $0) }) { found.append(("\(path):\(number + 1)", code)) }
      }
    }
    let elsewhere = found.filter { !$0.place.hasPrefix("Models/Architecture/Architecture.swift:") }
    #expect(elsewhere.isEmpty, "\(elsewhere)")
    // The registry's lines hold nothing but names.
    let registry = found.filter { $0.code.wholeMatch(of: /[ \.A-Za-z0-9,]+/) == nil }
    #expect(found.count > 0 && registry.isEmpty, "\(registry)")
  }

  @Test func everyFamilyHasAFileOfItsOwn() throws {
    let folder = Self.sources.appendingPathComponent("Models/Families")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    let texts = try files.map { try String(contentsOf: folder.appendingPathComponent($0), encoding: .utf8) }
    for type in Architecture.all.map(\.modelType) {
      #expect(texts.count { $0.contains("modelType: \"\(type)\"") } == 1)
    }
    #expect(files.count == Architecture.all.count)
  }

  /// Whether the name is there by itself, not as the beginning of a longer one.
  private func namesFamily(_ code: Substring, _ name: String) -> Bool {
    var rest = code
    while let range = rest.range(of: name) {
      rest = rest[range.upperBound...]
      if rest.first.map({ !$0.isLetter && !$0.isNumber && $0 != "_" }) ?? true { return true }
    }
    return false
  }
}
