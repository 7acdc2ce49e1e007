import Configuration
import Foundation
import Testing

@testable import Training

@Suite struct LanguageDataTests {
  @Test func blocksKeepDocumentsApart() {
    let documents: [[Int32]] = [[1, 2, 3], [4, 5], [6, 7, 8, 9, 10]]
    let items = EncodedDataset.blocks(documents, length: 4)
    // 4 and 5 stand alone, each at an edge: nothing is predicted from or for them.
    #expect(items.map(\.ids) == [[1, 2, 3], [6, 7, 8], [9, 10]])
    #expect(items.flatMap(\.documents).map(\.length).reduce(0, +) == items.flatMap(\.ids).count)
    #expect(items.allSatisfy { $0.targetCount > 0 })
    #expect(EncodedDataset.blocks([[1, 2, 3, 4, 5]], length: 4).map(\.ids) == [[1, 2, 3, 4]])
    #expect(EncodedDataset.blocks([[1, 2], [3, 4]], length: 4).map(\.documents.count) == [2])
    #expect(EncodedDataset.blocks([], length: 4).isEmpty)
  }

  @Test func onlyTheAnswerCounts() {
    let item = EncodedDataset.Item(prompt: [1, 2, 3], answer: [4, 5])
    #expect(item.ids == [1, 2, 3, 4, 5] && item.targetCount == 2)
    // Nothing comes before the first token of an answer without a prompt.
    #expect(EncodedDataset.Item(prompt: [], answer: [4, 5]).targetCount == 1)
  }

  @Test func csvOfE2E() throws {
    let text = "mr,ref\r\n\"name[A], area[B]\",\"Say \"\"A\"\",\nplease\"\nplain,text\n\n"
    let file = try E2EFile(bytes: Array(text.utf8), path: "x.csv")
    #expect(
      file.rows == [
        .init(meaning: "name[A], area[B]", reference: "Say \"A\",\nplease", line: 2),
        .init(meaning: "plain", reference: "text", line: 4),
      ])
    func problem(_ text: String) -> String? {
      do { _ = try E2EFile(bytes: Array(text.utf8), path: "x.csv") } catch { return "\(error)" }
      return nil
    }
    #expect(problem("mr,ref\na\n") == "x.csv:2: 1 fields instead of 2")
    #expect(problem("mr,ref\n\"a,b\nc") == "x.csv:2: a quote that nothing closes")
    #expect(problem("MR\na\n")?.contains("mr") == true)
    #expect(problem("") != nil)
  }

  /// The real files, where E2E_DIR names their directory.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["E2E_DIR"] != nil)) func realFilesOfE2E() throws {
    let directory = ProcessInfo.processInfo.environment["E2E_DIR"] ?? ""
    #expect(try E2EFile(path: directory + "/trainset.csv").rows.count == 42_061)
    #expect(try E2EFile(path: directory + "/devset.csv").rows.count == 4672)
  }
}
