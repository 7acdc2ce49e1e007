import Foundation
import Testing

@Suite struct EngineExampleTests {
  @Test func theExampleTrainsAndPredicts() throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("swift-peft-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: directory) }
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    let rows = (0..<32).map { $0 % 2 == 0 ? "the film is good\t1\n" : "the film is bad\t0\n" }.joined()
    for name in ["train.tsv", "dev.tsv"] {
      try Data(("sentence\tlabel\n" + rows).utf8).write(to: directory.appendingPathComponent(name))
    }
    let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("TrainingTests/Golden/bert-tiny").path
    let output = directory.appendingPathComponent("run").path

    let accuracy = try trainClassifier(model: model, data: directory.path, output: output)
    #expect((0...1).contains(try #require(accuracy)))
    #expect(try classify(["the film is good", "a bad movie"], with: output).allSatisfy { ["0", "1"].contains($0) })
    let sizes = try adapterSizes(model: model)
    #expect(sizes["none"] == 0 && (sizes["share-a"] ?? 0) < (sizes["lora"] ?? 0))
    #expect(try reportPage(database: "\(output)/runs.sqlite").contains("All runs"))
  }
}
