import Diagnostics
import Foundation
import Testing

@testable import Tasks

@Suite struct E2ETests {
  private func read(_ text: String, groups: Bool) throws -> PromptedDataset {
    try PromptedDataset(e2e: [Table(bytes: Array(text.utf8), file: "e.csv", format: .csv)], groups: groups)
  }

  private let text = """
    mr,ref
    "name[The Vaults], eatType[pub], familyFriendly[no]",First.
    "name[Blue Spice], priceRange[less than £20]","Second, ""quoted""."
    "name[The Vaults], eatType[pub], familyFriendly[no]",Third.
    name[Empty],

    """

  @Test func rowsForTraining() throws {
    let data = try read(text, groups: false)
    #expect(data.examples.map(\.answer) == [" First.", " Second, \"quoted\".", " Third."])
    #expect(data.examples[0].prompt == "name : The Vaults | Type : pub | family friendly : no")
    #expect(data.examples[1].prompt == "name : Blue Spice | price : less than £20")
    #expect(data.examples.allSatisfy { $0.endsPrompt })
    #expect(data.skipped == ["e.csv: left out 1 record with an empty reference (line 5)"])
  }

  @Test func meaningsForEvaluation() throws {
    let data = try read(text, groups: true)
    #expect(data.examples.map(\.references) == [["First.", "Third."], ["Second, \"quoted\"."]])
    #expect(data.examples.map(\.line) == [2, 3])
  }

  @Test(arguments: [
    ("MR\nname[a]", #"e.csv:1: the header must have the columns mr and ref, found "MR""#),
    ("mr,ref\nname[a]", "e.csv:2: 1 field, the header has 2"), ("mr,ref", "e.csv: no rows after the header"),
    ("mr,ref\nname,x", #"e.csv:2: "name" is no list like name[The Vaults], eatType[pub]"#),
    ("mr,ref\n\"name[a] b[c]\",x", #"e.csv:2: "name[a] b[c]" is no list like name[The Vaults], eatType[pub]"#),
    ("mr,ref\n[a],x", #"e.csv:2: "[a]" is no list like name[The Vaults], eatType[pub]"#),
  ])
  func wrongFiles(text: String, expected: String) {
    #expect(message { _ = try read(text, groups: false) } == expected)
  }

  @Test func textsOfAModel() throws {
    let folder = try Folder([
      "a": "x\ny z\n", "b": "index\tprediction\tlabel\n0\tx\tr\n1\ty\t\n", "c": "index\tprediction\n1\tx",
    ])
    let data = try read(text, groups: true), texts = try GeneratedTexts(path: folder.path + "/a")
    try texts.requireFit(data)
    #expect(
      texts.texts == ["x", "y z"] && texts.table(data.examples).hasPrefix("index\tprediction\tlabel\n0\tx\tFirst.\n"))
    #expect(try GeneratedTexts(path: folder.path + "/b").texts == ["x", "y"])
    #expect(
      message { _ = try GeneratedTexts(path: folder.path + "/c") }
        == "\(folder.path)/c:2: must be 0, a TAB and a text: rows are in order")
    #expect(throws: TaskError.textCount(file: "t", found: 1, references: "e.csv", expected: 2)) {
      try GeneratedTexts(texts: ["x"], file: "t").requireFit(data)
    }
  }

  /// The real files, where `E2E_DIR` says where they are.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["E2E_DIR"] != nil))
  func officialFiles() throws {
    let directory = try #require(ProcessInfo.processInfo.environment["E2E_DIR"])
    #expect(try PromptedDataset(e2e: ["\(directory)/trainset.csv"], groups: false).examples.count == 42_061)
    let development = try PromptedDataset(e2e: ["\(directory)/devset.csv"], groups: true)
    #expect(development.examples.count == 547 && development.examples.reduce(0) { $0 + $1.references.count } == 4672)
    #expect(try PromptedDataset(e2e: ["\(directory)/testset_w_refs.csv"], groups: true).examples.count == 630)
  }
}
