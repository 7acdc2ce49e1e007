import ArgumentParser
import Checkpoints
import Foundation
import Reports
import RunStore
import StrictJSON
import Training

/// `swift-peft runs report`.
struct RunsReport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "One HTML file with the curves, scores, sharing maps and configs of runs.",
    discussion: """
      EXAMPLE: swift-peft runs report --output runs/report.html
      EXAMPLE: swift-peft runs report 1 2 --title 'Two seeds' --output runs/two.html

      The file needs no network and no other file, and follows the browser's light or dark colours.
      """)

  @Argument(help: ArgumentHelp("Numbers of runs (default: all that pass the filters).", valueName: "id"))
  var ids: [Int64] = []

  @OptionGroup var database: DatabaseOptions
  @OptionGroup var selection: RunSelection

  @Option(name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "file"))
  var output: String

  @Option(help: ArgumentHelp("The page's title (default: tasks and models of the runs).", valueName: "text"))
  var title: String?

  @Flag(help: "The result as JSON on stdout.")
  var json = false

  func run() throws {
    let store = try database.open()
    let runs = try selection.runs(ids, in: store).map { try RecordedRun($0, in: store) }
    guard !runs.isEmpty else { throw NoRuns(database: database.database) }
    let page = Report(runs, title: title ?? Self.title(runs), version: ProductVersion.current).html()
    let directory = URL(fileURLWithPath: output).deletingLastPathComponent().path
    try OutputDirectory(directory).create()
    try AtomicFile.write(page, to: output)
    let bytes = page.utf8.count
    try Console.print(
      json
        ? JSONWriter.text(
          ["file": .string(output), "runs": .integer(runs.count), "bytes": .integer(bytes)], pretty: false)
        : "\(output): \(runs.count == 1 ? "1 run" : "\(runs.count) runs"), \(byteSize(bytes))")
  }

  private static func title(_ runs: [RecordedRun]) -> String {
    func names(_ value: (NewRun) -> String) -> String {
      var seen: Set<String> = []
      let all = runs.map { value($0.run.details) }.filter { seen.insert($0).inserted }
      return all.count <= 3 ? all.joined(separator: ", ") : "\(all.count) of them"
    }
    let models = names { URL(fileURLWithPath: $0.model).lastPathComponent }
    return "\(names(\.task)) on \(models)"
  }
}
