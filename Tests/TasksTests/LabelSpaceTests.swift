import Diagnostics
import Testing

@testable import Tasks

@Suite struct LabelSpaceTests {
  static func found(_ labels: [String]) throws -> LabelSpace {
    try .found(in: labels.enumerated().map { LabelCell(texts: [$1], file: "t.tsv", line: $0 + 2) })
  }

  @Test(arguments: [
    (["1", "0", "1"], LabelSpace.classes(["0", "1"])),
    ((0...10).reversed().map(String.init), .classes((0...10).map(String.init))),
    (["1", "2", "10"], .classes(["1", "10", "2"])),
    (["00", "01"], .classes(["00", "01"])),
    (["b", "a", "B", "b"], .classes(["B", "a", "b"])),
    (["0", "1", "maybe"], .classes(["0", "1", "maybe"])),
    (["0.0", "1.0"], .classes(["0.0", "1.0"])),
    (["-1", "1"], .classes(["-1", "1"])),
    (["1", "2.5"], .regression),
    (["1e-3", "0"], .regression),
    (["0.5", "0.5"], .regression),
    (["0.5", "high"], .classes(["0.5", "high"])),
  ])
  func comesFromTheTrainingFile(labels: [String], space: LabelSpace) throws {
    #expect(try Self.found(labels) == space)
  }

  @Test(arguments: ["nan", "NaN", "-NAN", "inf", "Infinity", "+inf", "1e999", "-1e39"])
  func refusesLabelsThatAreNotFinite(label: String) {
    let problem = TaskError.labelNotFinite(file: "t.tsv", line: 3, label: label)
    #expect(throws: problem) { try Self.found(["0.5", label, "1"]) }
    for space in [LabelSpace.regression, .classes(["a", "b"])] {
      #expect(throws: problem) { try LabelReader(space).label(label, file: "t.tsv", line: 3) }
    }
  }

  @Test func refusesASingleClass() {
    #expect(throws: TaskError.oneClass(file: "t.tsv", label: "1")) { try Self.found(["1", "1"]) }
  }

  @Test func readsLabels() throws {
    let classes = LabelReader(.classes(["no", "yes"]))
    #expect(try classes.label("yes", file: "d.tsv", line: 1) == .classIndex(1))
    #expect(throws: TaskError.unknownLabel(file: "d.tsv", line: 4, label: "maybe", known: ["no", "yes"])) {
      try classes.label("maybe", file: "d.tsv", line: 4)
    }
    #expect(throws: TaskError.emptyLabel(file: "d.tsv", line: 4)) { try classes.label("", file: "d.tsv", line: 4) }
    let scores = LabelReader(.regression)
    #expect(try scores.label("3.800", file: "d.tsv", line: 1) == .score(3.8))
    for text in ["high", "0x10", " 1", "1,5", "-", "--nan"] {
      #expect(throws: TaskError.labelNotNumber(file: "d.tsv", line: 9, label: text)) {
        try scores.label(text, file: "d.tsv", line: 9)
      }
    }
  }

  @Test func countsOutputs() {
    #expect(LabelSpace.classes(["a", "b", "c"]).outputs == 3)
    #expect(LabelSpace.regression.outputs == 1)
  }
}
