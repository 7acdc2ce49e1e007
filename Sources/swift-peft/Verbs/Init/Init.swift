import Adapters
import ArgumentParser
import Checkpoints
import Configuration
import Diagnostics
import Foundation
import Hub
import Models
import Tasks
import Tokenizers

/// `swift-peft init MODEL DATA …`.
struct Init: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init",
    abstract: "Write a commented run config for a model and a data set.",
    discussion: """
      EXAMPLE: swift-peft init models/all-MiniLM-L6-v2 configs/quickstart-data
      EXAMPLE: swift-peft init models/all-MiniLM-L6-v2 train.tsv --output mine.json

      DATA is a directory of GLUE files, a directory with files of your own that are called train, validation (valid, \
      val, dev) and test, or files to train on, or a pattern of them in quotes. What they hold is recognised:

        labels in TSV, CSV, JSONL or JSON             text-classification
        words with tags in CoNLL's columns or JSONL   token-classification
        messages, ShareGPT, Alpaca, prompts with
        completions                                   instruct
        plain text, or JSONL or CSV without labels    causal-lm

      Columns, classes and the lengths of texts come from the data. The config goes to stdout, or to a file with \
      --output; train accepts it as it is.

      TASKS with directories of their own, for --task:
      \(tasks)
      """)

  private static var tasks: String {
    let known = Catalog.standard.tasks.filter(\.comesAsDirectory)
    return known.map { "  \($0.name): \($0.summary)" }.joined(separator: "\n")
  }

  @Argument(help: ArgumentHelp("A model directory or Hub name.", valueName: "model-dir"), completion: .directory)
  var model: String

  @Argument(help: ArgumentHelp("A directory of data, or files to train on."), completion: .file())
  var data: [String]

  @Option(help: ArgumentHelp("The task, if it is not the one that is detected.", valueName: "name"))
  var task: String?

  @Option(
    help: ArgumentHelp("The file to validate on; repeatable.", valueName: "file"), completion: .file())
  var validationFile: [String] = []

  @Option(
    help: ArgumentHelp(
      "The sharing strategy (default: aslora, or lora where a run is too short to merge).", valueName: "name")
  )
  var strategy: String?

  @Option(
    name: .shortAndLong, help: ArgumentHelp("Write to this file (default: stdout).", valueName: "file"),
    completion: .file())
  var output: String?

  @Flag(help: "Replace an existing file.")
  var force = false

  func validate() throws {
    let names = Catalog.standard.methods.map(\.name)
    if let strategy, !names.contains(strategy) {
      throw ValidationError("--strategy: must be one of \(names.joined(separator: ", ")), not \(strategy)")
    }
    let tasks = Catalog.standard.tasks.map(\.name)
    if let task, !tasks.contains(task) {
      throw ValidationError("--task: must be one of \(tasks.joined(separator: ", ")), not \(task)")
    }
    if data.isEmpty { throw ValidationError("Missing expected argument '<data> ...'") }
  }

  func run() throws {
    if let output, !force, FileManager.default.fileExists(atPath: output) { throw InitError.fileTaken(output) }
    try ModelDownload(isQuiet: false).fetch(model, .tokenizer)
    let look: DataLook
    if data.count == 1, data[0].isDirectory {
      look = try DataLook(directory: data[0], name: task, validation: validationFile)
    } else {
      look = try DataLook(DataFiles(train: data, validation: validationFile), name: task)
    }
    let name = output.map { URL(fileURLWithPath: $0).deletingPathExtension().lastPathComponent }
    var config = try config(
      look, name: name ?? "\(look.task.name)-\(strategy ?? "aslora")", strategy: strategy ?? "aslora")
    if strategy == nil, try !config.hasTimeToMerge {
      config = try self.config(look, name: name ?? "\(look.task.name)-lora", strategy: "lora")
    }
    config.data?.leftOut.forEach(Progress(isQuiet: false).notice)
    if config.needsEarlierAdapter {
      Console.note(
        "adapter.init_from: \(config.strategy) goes on from an adapter; put its directory in the place of "
          + "\"\(InitialConfig.placeholder)\" before you train")
    }
    // Whatever is written must be a config that `train` accepts.
    _ = try RunConfig.load(text: config.text, file: output ?? "the config", name: config.name)
    guard let output else { return try Console.print(config.text) }
    try AtomicFile.write(config.text, to: output)
    Console.note("\(output): written; try: swift-peft data \(output), swift-peft train \(output) --dry-run")
  }

  /// The config for what was seen of the data, which is read for it as training will read it.
  private func config(_ look: DataLook, name: String, strategy: String) throws -> InitialConfig {
    let directory = try Hub().directory(of: self.model, files: .config)
    let model = try ModelConfig(directory: directory), task = look.task
    if task.isLanguageModelling, !model.architecture.isDecoder {
      throw InitError.needsDecoder(
        data: data[0], what: look.what, task: task.name, model: self.model, type: model.modelType)
    }
    var look = look
    look.choose(templateOf: try ChatTemplateFiles(modelDirectory: directory))
    let measured = try MeasuredData(look, name: name, modelPath: self.model, model: model, strategy: strategy)
    if task.options.contains(.validationSplit), look.options.validationFile == nil,
      (measured.count ?? .max) >= Self.leastToHoldBack
    {
      look.holdBack(0.1)
    }
    return InitialConfig(
      name: name, modelPath: self.model, model: model, look: look, strategy: strategy,
      maxLength: measured.maxLength, data: measured)
  }

  /// With fewer examples, none are held back to validate on.
  private static let leastToHoldBack = 50
}
