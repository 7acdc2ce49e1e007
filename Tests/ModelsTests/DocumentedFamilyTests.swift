import Foundation
import Models
import Testing

/// What README.md and docs/models.md say is supported, against the registry.
@Suite struct DocumentedFamilyTests {
  private func lines(_ name: String) throws -> [Substring] {
    let repository = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    return try String(contentsOf: repository.appendingPathComponent(name), encoding: .utf8)
      .split(separator: "\n", omittingEmptySubsequences: false)
  }

  /// The texts in code spans.
  private func spans(_ text: some StringProtocol) -> [String] {
    text.split(separator: "`", omittingEmptySubsequences: false).enumerated()
      .filter { $0.offset % 2 == 1 }.map { String($0.element) }
  }

  @Test func tableOfFamilies() throws {
    let section = try lines("docs/models.md").drop { $0 != "## Families" }.dropFirst().prefix { !$0.hasPrefix("#") }
    let rows = section.filter { $0.hasPrefix("| `") && !$0.hasPrefix("| `model_type`") }.map { row in
      let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
      return cells.count == 5 ? [cells[0], cells[2], cells[3], cells[4]] : cells
    }
    let expected = Architecture.all.map { family in
      [
        "`\(family.modelType)`",
        !family.isDecoder ? "classification" : family.classifierClass == nil ? "language" : "all",
        family.defaultTargets.map { "`\($0)`" }.joined(separator: " "), family.ggufName == nil ? "no" : "yes",
      ]
    }
    for (row, family) in zip(rows, expected) { #expect(row == family) }
    #expect(rows.count == expected.count)
  }

  @Test func readmeNamesEveryFamily() throws {
    let models = try lines("README.md").drop { !$0.hasPrefix("- **Models:**") }
    let bullet = models.prefix(1) + models.dropFirst().prefix { $0.hasPrefix("  ") }
    #expect(spans(bullet.joined(separator: " ")) == Architecture.all.map(\.modelType))
  }
}
