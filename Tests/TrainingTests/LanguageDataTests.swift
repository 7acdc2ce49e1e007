import Tasks
import Testing

@Suite struct LanguageDataTests {
  @Test func onlyTheAnswerCounts() {
    let item = EncodedDataset.Item(prompt: [1, 2, 3], answer: [4, 5])
    #expect(item.ids == [1, 2, 3, 4, 5] && item.targetCount == 2)
    // Nothing comes before the first token of an answer without a prompt.
    #expect(EncodedDataset.Item(prompt: [], answer: [4, 5]).targetCount == 1)
  }
}
