import Tasks
import Testing

@testable import Training

@Suite struct LabelOrderTests {
  static let mnli = LabelSpace.classes(["entailment", "neutral", "contradiction"])

  @Test func aCheckpointsOwnOrderCounts() {
    let order = Self.mnli.inOrder(of: ["CONTRADICTION", "NEUTRAL", "ENTAILMENT"])
    #expect(order == .classes(["contradiction", "neutral", "entailment"]))
  }

  @Test(arguments: [
    ["LABEL_0", "LABEL_1", "LABEL_2"], ["entailment", "neutral"], ["neutral", "neutral", "entailment"],
  ])
  func otherNamesSayNothing(names: [String]) {
    #expect(Self.mnli.inOrder(of: names) == nil)
  }

  @Test func regressionHasNoOrder() {
    #expect(LabelSpace.regression.inOrder(of: ["LABEL_0"]) == nil)
  }
}
