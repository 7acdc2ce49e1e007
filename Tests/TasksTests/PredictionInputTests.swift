import Diagnostics
import Foundation
import Metrics
import Testing

@testable import Tasks

/// What `predict` takes for a table, and what for texts.
@Suite struct PredictionInputTests {
  private func read(
    _ text: String, file: String? = nil, columns: [Column] = [.name("text")],
    _ change: (inout TaskOptions) -> Void = { _ in }
  ) throws -> (texts: [String], notes: [String]) {
    var source = options("tsv", textColumns: columns, labelColumn: .name("label"))
    change(&source)
    let task = try TaskData(source, knownLabels: .classes(["no", "yes"]))
    let folder = try Folder([:])
    let path = file.map { "\(folder.path)/\($0)" }
    if let path { try Data(text.utf8).write(to: URL(fileURLWithPath: path)) }
    let input =
      try path.map { try PredictionInput(path: $0) } ?? PredictionInput(bytes: Array(text.utf8), name: "stdin")
    let data = try #require(try task.texts(input))
    let notes = data.notes.map { $0.replacing(folder.path + "/", with: "") }
    return (data.examples.map { $0.text + ($0.pair.map { "|" + $0 } ?? "") }, notes)
  }

  private func noted(_ place: String, _ column: String = "text", _ what: String = "a text, TABs and all") -> [String] {
    ["\(place):1: no known header: there is no column \"\(column)\"; every line is read as \(what)"]
  }

  @Test func anotherHeaderIsSaidAloud() throws {
    let table = "sentence\tlabel\na\tyes\n"
    for (found, place) in [(try read(table), "stdin"), (try read(table, file: "a.txt"), "a.txt")] {
      #expect(found.texts == ["sentence\tlabel", "a\tyes"] && found.notes == noted(place))
    }
    #expect(
      message { _ = try read(table, file: "a.tsv") }.hasSuffix(
        "a.tsv:1: no column \"text\"; the header has \"sentence\", \"label\""))
    let known = try read("label\ttext\nno\ta\n")
    #expect(known.texts == ["a"] && known.notes == [])
    #expect(try read("one\ntwo\n", file: "a.tsv").texts == ["one", "two"])
    #expect(try read("one\ntwo\n", file: "a.tsv").notes == [])
  }

  @Test func pairsInAFile() throws {
    let columns: [Column] = [.name("a"), .name("b")]
    #expect(try read("x\ty\n", columns: columns).notes == [])
    let file = try read("x\ty\n", file: "p.txt", columns: columns)
    #expect(file.texts == ["x|y"] && file.notes == noted("p.txt", "a", "a pair of texts"))
    #expect(try read("x\ty\n", file: "p.tsv", columns: columns).texts == ["x|y"])
    #expect(
      message { _ = try read("x\ty\tz\n", file: "p.tsv", columns: columns) }.hasSuffix(
        "p.tsv:1: no column \"a\", did you mean \"x\"?; the header has \"x\", \"y\", \"z\""))
  }

  /// The config's format and delimiter count here too.
  @Test func formatsOfTheConfig() throws {
    #expect(try read("label;text\nno;\"a;\nb\"\n") { $0.delimiter = ";" }.texts == ["a;\nb"])
    #expect(try read("a; b\nc\n") { $0.delimiter = ";" }.texts == ["a; b", "c"])
    #expect(try read("label,text\nno,a\n", file: "x.data") { $0.fileFormat = .csv }.texts == ["a"])
    #expect(try read("label,text\nno,a\n") { $0.fileFormat = .csv }.texts == ["a"])
    #expect(try read("{\"text\": \"a\"}\n{\"text\": \"b\"}\n") { $0.fileFormat = .jsonl }.texts == ["a", "b"])
    #expect(try read("plain\n") { $0.fileFormat = .jsonl }.texts == ["plain"])
    #expect(try read(" [{\"text\": \"a\"}]") { $0.fileFormat = .json }.texts == ["a"])
    #expect(try read("{\"text\": \"a\"}\n", file: "x.jsonl") { $0.delimiter = ";" }.texts == ["a"])
    #expect(
      message { _ = try read("x,y\n1,2\n", file: "x.csv") }.hasSuffix(
        "x.csv:1: no column \"text\"; the header has \"x\", \"y\""))
  }

  @Test func columnsByNumber() throws {
    func numbered(_ text: String) throws -> [String] {
      try read(text, columns: [.index(1)]) { ($0.hasHeader, $0.labelColumn) = (false, .index(0)) }.texts
    }
    #expect(try numbered("no\ta\nyes\tb\n") == ["a", "b"])
    #expect(try numbered("only a text\n") == ["only a text"])
  }
}
