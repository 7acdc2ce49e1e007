import RunStore
import StrictJSON
import Testing

@testable import Reports

@Suite struct ReportTests {
  static let hostile = "</script><script>alert(1)</script><!-- \u{2028} \\ \" '"

  @Test func whatARunIsCalledStaysText() throws {
    let run = recorded(1, name: Self.hostile, metrics: validation("accuracy", [(1, 0.5)]))
    let page = Report([run], title: Self.hostile, version: "1").html()
    #expect(page.components("<script").count == 3, "the data and the script, and no third one")
    #expect(page.components("</script").count == 3)
    #expect(!page.contains("<!--"))
    #expect(!page.contains("<title></script>"))
    let data = try Self.data(page)
    #expect(data["title"]?.string == Self.hostile)
    #expect(data["runs"]?.array?.first?["name"]?.string == Self.hostile)
  }

  @Test func thePageNeedsNothingElse() {
    let page = Report([recorded(1)], title: "t", version: "1").html()
    for outside in ["http:", "https:", "src=", "@import", "url("] {
      #expect(!page.replacing("http://www.w3.org/2000/svg", with: "").contains(outside), "\(outside)")
    }
    #expect(page.contains("default-src 'none'"))
    #expect(page.contains("prefers-color-scheme: dark"))
  }

  @Test func theDataIsAllThere() throws {
    let runs = [
      recorded(
        1, seed: 1, metrics: validation("accuracy", [(1, 0.5), (2, .nan)]) + validation("accuracy", [(3, 0.6)])),
      recorded(2, seed: 2, metrics: validation("accuracy", [(3, 0.8)])),
      recorded(3, "aslora", merges: [merge(5, 0, 1, left: 1)]),
    ]
    let data = try Self.data(Report(runs, title: "t", version: "1", generatedAt: "2026-01-01").html())
    #expect(data["metric"]?.string == "accuracy")
    let series = data["runs"]?.array?[0]["series"]?["validation/accuracy"]?.array?.map { $0.array?[1].number }
    #expect(series == [0.5, nil, 0.6])
    let groups = data["groups"]?.array
    #expect(groups?.count == 2 && groups?[0]["count"]?.integer == 2)
    #expect(abs((groups?[0]["mean"]?.number ?? 0) - 0.7) < 1e-12)
    #expect(groups?[1]["mean"]?.isNull == true)
    let sharing = data["runs"]?.array?[2]["sharing"]?.array
    #expect(sharing?[0]["layers"]?.integer == 2 && sharing?[0]["groups"]?.array?[0]["owner"]?.integer == 1)
    #expect(
      data["configs"]?.array?.filter { $0["same"]?.bool == false }.map { $0["path"]?.string } == [
        "adapter.strategy", "training.seed", "output_dir",
      ])
  }

  @Test func longSeriesKeepTheirPeaks() {
    var points = (0..<50_000).map { ($0, 1.0) }
    points[31_234].1 = 9
    points[40_001].1 = -9
    let thinned = ReportData.thinned(points)
    #expect(thinned.count <= ReportData.mostPoints)
    #expect(thinned.contains { $0 == (31_234, 9) } && thinned.contains { $0 == (40_001, -9) })
    #expect(thinned.map(\.0) == thinned.map(\.0).sorted())
    #expect(ReportData.thinned([(1, .nan), (2, 1)]).count == 2)
  }

  private static func data(_ page: String) throws -> JSONNode {
    let start = try #require(page.firstRange(of: "id=\"data\">")).upperBound
    let end = try #require(page[start...].firstRange(of: "</script>")).lowerBound
    return try JSONParser.parse(String(page[start..<end]))
  }
}

extension String {
  fileprivate func components(_ separator: String) -> [Substring] {
    split(separator: separator, omittingEmptySubsequences: false)
  }
}
