import Testing

@testable import Reports

@Suite struct ChartTests {
  @Test func plainTextIsExact() {
    let chart = Chart(width: 30, height: 5, marks: .ascii)
      .text((0...10).map { (x: Double($0), y: Double($0)) }, title: "train loss", xLabel: "step")
    #expect(
      chart == """
        train loss
        10 |                      ****
           |                 *****
         5 |         ********
           |    *****
         0 |****
            0         step          10

        """)
  }

  @Test func brailleFillsTheWidthAndNoMore() {
    let points = (0..<500).map { (x: Double($0), y: Double($0 * $0 % 97)) }
    for width in [24, 80, 133] {
      let lines = Chart(width: width, marks: .braille).text(points, title: "t", xLabel: "step").split(separator: "\n")
      #expect(lines.map(\.count).max() == width)
      #expect(lines.dropFirst().dropLast().allSatisfy { $0.contains("┤") })
      #expect(lines.joined().unicodeScalars.contains { (0x2801...0x28FF).contains($0.value) })
    }
  }

  @Test func oddSeriesHaveAChartToo() {
    let chart = Chart(width: 40, height: 4, marks: .ascii)
    #expect(chart.text([], title: "t", xLabel: "x").isEmpty)
    #expect(chart.text([(x: 1, y: .nan)], title: "t", xLabel: "x").isEmpty)
    #expect(chart.text([(x: 5, y: 0.25)], title: "t", xLabel: "x").contains("*"))
    #expect(chart.text([(x: 1, y: 2), (x: 2, y: 2)], title: "t", xLabel: "x").contains("2.000 |***"))
    #expect(chart.text([(x: 1, y: .infinity), (x: 2, y: 1), (x: 3, y: 2)], title: "t", xLabel: "x").contains("*"))
  }
}
