import ArgumentParser
import Foundation
import Hub
import StrictJSON

/// `swift-peft download MODEL`.
struct Download: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Download a model from the Hugging Face Hub.",
    discussion: """
      EXAMPLE: swift-peft download sentence-transformers/all-MiniLM-L6-v2

      MODEL is owner/name, or owner/name@revision for a branch, tag or commit. The files that this program reads are \
      stored in the Hugging Face cache, which is shared with the Python libraries. Files already there are not downloaded \
      again, and interrupted downloads are resumed. Prints the model's directory.

      HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE work as in Python. The "model" of a config may \
      also be a Hub name: train and the other verbs then download it themselves.
      """)

  @Argument(help: ArgumentHelp("owner/name or owner/name@revision.", valueName: "model"))
  var model: String

  @OptionGroup var report: ReportOptions

  func validate() throws {
    if HubModelID(model) == nil {
      throw ValidationError("\(model) is not a Hub name; expected owner/name or owner/name@revision")
    }
    if Hub.id(model) == nil { throw ValidationError("\(model) is a local path, not a Hub name") }
  }

  func run() throws {
    guard let snapshot = try ModelDownload(isQuiet: report.quiet).fetch(model, .all) else { return }
    try Console.print(
      report.json
        ? JSONWriter.text(
          [
            "model": .string(model), "commit": .string(snapshot.commit), "directory": .string(snapshot.directory),
            "downloaded_bytes": .integer(snapshot.downloadedBytes),
          ], pretty: false) : snapshot.directory)
  }
}
