import Testing

@testable import Tasks

@Suite struct PredictionTableTests {
  @Test func writesClassesByName() {
    let table = PredictionTable(labels: .classes(["bad", "good"]))
    let text = table.text(scores: [[0.5, 1.25], [-3, 1e-8]], labels: [.classIndex(0), nil])
    #expect(
      text == """
        index\tprediction\tlabel\tscore_0\tscore_1
        0\tgood\tbad\t0.500000000\t1.25000000
        1\tgood\t\t-3.00000000\t9.99999994e-09

        """)
  }

  @Test func writesTheValueOfARegression() {
    let table = PredictionTable(labels: .regression)
    #expect(table.header == "index\tprediction\tlabel\tscore_0\n")
    #expect(table.line(index: 7, scores: [2.5], label: .score(3)) == "7\t2.50000000\t3.00000000\t2.50000000\n")
  }

  @Test(arguments: [Float(0.1), .pi, 1e-30, 16_777_216, -123456.79, 0])
  func digitsGiveBackTheSameNumber(value: Float) {
    #expect(Float(PredictionTable.digits(value)) == value)
  }
}
