import ArgumentParser
import Foundation
import Hub
import StrictJSON

/// `swift-peft download MODEL`.
struct Download: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Get a model from the Hugging Face Hub.",
    discussion: """
      EXAMPLE: swift-peft download sentence-transformers/all-MiniLM-L6-v2

      MODEL is owner/name, or owner/name@revision for a branch, a tag or a commit. What this program reads of it goes \
      into Hugging Face's cache, which Python's libraries share; what is there already is not downloaded again, and an \
      interrupted download goes on where it ended. Prints the directory.

      HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE count as in Python. A config's "model" may be \
      such a name too: train and the other verbs then download it themselves.
      """)

  @Argument(help: ArgumentHelp("owner/name or owner/name@revision.", valueName: "model"))
  var model: String

  @OptionGroup var report: ReportOptions

  func validate() throws {
    if HubModelID(model) == nil {
      throw ValidationError("\(model) is no model on the Hub; expected owner/name or owner/name@revision")
    }
    if Hub.id(model) == nil { throw ValidationError("\(model) is a path here, or lies in a directory that is here") }
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
