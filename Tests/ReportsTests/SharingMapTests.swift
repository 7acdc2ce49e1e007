import Testing

@testable import Reports

@Suite struct SharingMapTests {
  @Test func groupsFollowTheMerges() {
    let run = recorded(
      1, "aslora",
      merges: [
        merge(10, 0, 1, left: 5), merge(10, 4, 5, left: 5, module: "v"), merge(20, 1, 2, left: 4),
        merge(30, 3, 4, left: 3), merge(40, 2, 4, left: 2),
      ])
    let maps = SharingMap.maps(of: run)
    #expect(maps.map(\.module) == ["q", "v"] && maps.map(\.layers) == [6, 6])
    #expect(maps[0].owners(after: 0) == [0, 1, 2, 3, 4, 5])
    #expect(maps[0].owners(after: 2) == [2, 2, 2, 3, 4, 5])
    #expect(maps[0].owners() == [4, 4, 4, 4, 4, 5])
    #expect(maps[0].groups.map(\.owner) == [4, 5] && maps[0].groups.map(\.layers) == [[0, 1, 2, 3, 4], [5]])
    #expect(maps[1].owners() == [0, 1, 2, 3, 5, 5])
  }

  @Test func nothingMergedIsNoMap() { #expect(SharingMap.maps(of: recorded(1)).isEmpty) }
}
