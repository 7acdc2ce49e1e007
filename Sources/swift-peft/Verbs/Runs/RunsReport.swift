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
    abstract: "Write one HTML file with the curves, scores, sharing maps and configs of runs.",
    discussion: """
      EXAMPLE: swift-peft runs report --output runs/report.html
      EXAMPLE: swift-peft runs report 1 2 --title 'Two seeds' --output runs/two.html

      The file needs no network and no other files, and follows the browser's light or dark mode.
      """)

  @OptionGroup var selection: SelectionOptions

  @Option(name: .shortAndLong, help: ArgumentHelp("Write to this file.", valueName: "file"))
  var output: String

  @Option(help: ArgumentHelp("The page's title (default: the tasks and models of the runs).", valueName: "text"))
  var title: String?

  @Flag(help: "Print the result as JSON.")
  var json = false

  func run() throws {
    let runs = try selection.recorded()
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
    func names(_ kind: String, _ value: (RunDetails) -> String) -> String {
      var seen: Set<String> = []
      let all = runs.map { value($0.run.details) }.filter { seen.insert($0).inserted }
      return all.count <= 3 ? all.joined(separator: ", ") : "\(all.count) \(kind)"
    }
    let models = names("models") { URL(fileURLWithPath: $0.model).lastPathComponent }
    return "\(names("tasks", \.task)) on \(models)"
  }
}
