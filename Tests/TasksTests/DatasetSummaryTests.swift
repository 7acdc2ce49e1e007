import Metrics
import Testing

@testable import Tasks

@Suite struct DatasetSummaryTests {
  @Test func lengthsByTheirRanks() {
    let lengths = LengthSummary((1...200).reversed().map { $0 })
    #expect(lengths.least == 1 && lengths.greatest == 200 && lengths.total == 20_100)
    #expect(lengths.median == 100 && lengths.nineTenths == 180 && lengths.most == 198)
    let one = LengthSummary([7])
    #expect(one.least == 7 && one.median == 7 && one.most == 7)
    #expect(LengthSummary([]).greatest == 0 && LengthSummary([]).median == 0)
  }

  @Test func classesAreCountedByName() {
    let labels: [Label?] = [.classIndex(1), .classIndex(1), nil, .classIndex(0)]
    let data = EncodedDataset(items: labels.map { EncodedDataset.Item(ids: [1, 2], typeIDs: [0, 0], label: $0) })
    let summary = DatasetSummary(data, labels: .classes(["bad", "good", "unused"]), limit: 2)
    guard case .classes(let counts, let unlabelled) = summary.labels else {
      Issue.record("no classes")
      return
    }
    #expect(counts.map(\.name) == ["bad", "good", "unused"] && counts.map(\.count) == [1, 2, 0])
    #expect(unlabelled == 1 && summary.atLimit == 4 && summary.targets == nil)
    #expect(data.items[0].labelName(.classes(["bad", "good"])) == "good" && data.items[2].labelName(nil) == nil)
  }

  @Test func numbersHaveTheirRange() {
    let items = [Float(1), 4, 2.5].map { EncodedDataset.Item(ids: [1], label: .score($0)) }
    let summary = DatasetSummary(EncodedDataset(items: items), labels: .regression, limit: 8)
    #expect(summary.labels == .scores(least: 1, mean: 2.5, greatest: 4, unlabelled: 0))
    #expect(items[1].labelName(.regression) == "4.0")
  }

  @Test func targetsStandInTheirDocuments() {
    let item = EncodedDataset.Item(
      ids: [1, 2, 3, 4, 5, 6],
      documents: [
        EncodedDataset.Item.Document(length: 2, targets: [0..<2]),
        EncodedDataset.Item.Document(length: 4, targets: [1..<2, 3..<4]),
      ])
    #expect(item.targetRanges == [1..<2, 3..<4, 5..<6])
    let plain = EncodedDataset.Item(prompt: [1, 2], answer: [3])
    let summary = DatasetSummary(EncodedDataset(items: [item, plain]), labels: nil, limit: 6)
    #expect(summary.targets == 4 && summary.documents == 3 && summary.packedRows == 1)
    #expect(summary.labels == nil && summary.atLimit == 1)
  }

  @Test func choicesAreNoDocuments() {
    let shared = EncodedDataset.Item(
      ids: [1, 2, 3, 4], label: .classIndex(1), choices: .init(lengths: [1, 1], sharedTarget: 2, number: 0))
    let apart = EncodedDataset.Item(choices: [([1, 2], 1), ([1, 3, 4], 1)], lengths: [1, 2], number: 1, answer: 0)
    #expect(shared.targetRanges == [2..<4] && apart.targetRanges == [1..<2, 3..<5])
    let summary = DatasetSummary(EncodedDataset(items: [shared, apart]), labels: nil, limit: 9)
    #expect(summary.targets == 5 && summary.packedRows == 0)
    #expect(shared.labelName(nil) == "B")
    guard case .classes(let counts, _) = summary.labels else {
      Issue.record("no letters")
      return
    }
    #expect(counts.map(\.name) == ["A", "B"] && counts.map(\.count) == [1, 1])
  }
}
