import Adapters
import ArgumentParser
import Checkpoints
import Configuration
import Diagnostics
import Foundation
import Tasks

/// `swift-peft init MODEL_DIR DATA`.
struct Init: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init",
    abstract: "Write a commented run config for a model and a data set.",
    discussion: """
      EXAMPLE: swift-peft init models/all-MiniLM-L6-v2 configs/quickstart-data
      EXAMPLE: swift-peft init models/all-MiniLM-L6-v2 train.tsv --output mine.json

      DATA is a directory of GLUE files, or a TSV or CSV file of texts and labels. The task, columns, classes and text lengths \
      are detected from the data. The config goes to stdout, or to a file with --output.

      TASKS with files of their own, for --task:
      \(tasks)
      """)

  private static var tasks: String {
    let known = Catalog.standard.tasks.filter(\.comesAsDirectory)
    return known.map { "  \($0.name): \($0.summary)" }.joined(separator: "\n")
  }

  @Argument(help: ArgumentHelp("A model directory.", valueName: "model-dir"), completion: .directory)
  var model: String

  @Argument(help: ArgumentHelp("A directory of GLUE files, or a TSV or CSV file to train on."), completion: .file())
  var data: String

  @Option(help: ArgumentHelp("The GLUE task, if it cannot be detected.", valueName: "name"))
  var task: String?

  @Option(
    help: ArgumentHelp("With a TSV or CSV file: the file to validate on.", valueName: "file"), completion: .file())
  var validationFile: String?

  @Option(help: ArgumentHelp("The sharing strategy.", valueName: "name"))
  var strategy: String = "aslora"

  @Option(
    name: .shortAndLong, help: ArgumentHelp("Write to this file (default: stdout).", valueName: "file"),
    completion: .file())
  var output: String?

  @Flag(help: "Replace an existing file.")
  var force = false

  func validate() throws {
    let names = Catalog.standard.methods.map(\.name)
    if !names.contains(strategy) {
      throw ValidationError("--strategy: must be one of \(names.joined(separator: ", ")), not \(strategy)")
    }
    let tasks = Catalog.standard.tasks.map(\.name)
    if let task, !tasks.contains(task) {
      throw ValidationError("--task: must be one of \(tasks.joined(separator: ", ")), not \(task)")
    }
  }

  func run() throws {
    if let output, !force, FileManager.default.fileExists(atPath: output) { throw InitError.fileTaken(output) }
    guard FileManager.default.fileExists(atPath: data) else { throw FileMissing(path: data) }
    let look =
      data.isDirectory
      ? try DataLook(directory: data, name: task)
      : try DataLook(trainFile: data, validationFile: validationFile)
    let name =
      output.map { URL(fileURLWithPath: $0).deletingPathExtension().lastPathComponent }
      ?? "\(look.task.name)-\(strategy)"
    let text = try InitialConfig(name: name, modelPath: model, data: look, strategy: strategy).text
    // Whatever is written must be a config that `train` accepts.
    _ = try RunConfig.load(text: text, file: output ?? "the config", name: name)
    guard let output else { return try Console.print(text) }
    try AtomicFile.write(text, to: output)
    Console.note("\(output): written; try: swift-peft train \(output) --dry-run")
  }
}

/// A missing input.
struct FileMissing: UserFacingError {
  let path: String
  var description: String { "\(path): no such file or directory" }
  var exitStatus: ExitStatus { .missingInput }
}
