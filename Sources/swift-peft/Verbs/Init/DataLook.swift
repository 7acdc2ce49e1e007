import Configuration
import Diagnostics
import Foundation
import Metrics
import Tasks
import Tokenizers

/// What `init` finds in a data set: the section `task` of a config, and what was seen.
struct DataLook {
  let task: Task
  private(set) var options: TaskConfig
  /// What the data is, in a few words: `conversations (messages)`.
  let what: String
  private var layout: ConversationLayout?

  /// The data in `directory`, which is GLUE's or has files named as splits are; `name` is the task, or nil to find out.
  init(directory: String, name: String?, validation: [String] = [], catalog: Catalog = .standard) throws {
    let named = try name.map { try catalog.tasks.named($0) }
    for task in named.map({ [$0] }) ?? catalog.tasks where task.comesAsDirectory {
      do {
        self = try DataLook(task, directory)
        return
      } catch {
        if named != nil { throw error }
      }
    }
    // The E2E challenge's files have names that no others have.
    if named == nil || named?.name == Task.e2e.name, FileManager.default.fileExists(atPath: "\(directory)/trainset.csv")
    {
      self = try DataLook(.e2e, directory)
      return
    }
    guard var files = DataFiles(directory: directory) else { throw InitError.unknownData(directory: directory) }
    if !validation.isEmpty { files.validation = try DataFiles(train: files.train, validation: validation).validation }
    self = try DataLook(files, name: name, catalog: catalog)
  }

  /// Files of one's own.
  init(_ files: DataFiles, name: String?, catalog: Catalog = .standard) throws {
    let first = try DataFiles.files(files.train[0])[0]
    let look = try FileLook(first), shape = try look.shape()
    let task = try name.map { try catalog.tasks.named($0) } ?? shape.task
    (self.task, what) = (task, Self.words(shape))
    if case .conversations(let found) = shape { layout = found }
    options = TaskConfig(name: task.name)
    (options.trainFile, options.validationFile, options.testFile) = (files.train, files.validation, files.test)
    if task.options.contains(.fileFormat) { options.fileFormat = look.givenFormat }
    try look.describe(shape, for: task, in: &options)
  }

  /// The data of a task that has names for its files.
  private init(_ task: Task, _ directory: String) throws {
    self.task = task
    options = TaskConfig(name: task.name)
    options.dataDir = directory
    what = task.summary
    _ = try TaskData(task, options).load(.train)
  }

  private static func words(_ shape: DataShape) -> String {
    switch shape {
    case .labelled(let table): table.texts.count == 2 ? "pairs of texts with labels" : "texts with labels"
    case .tagged: "words with tags"
    case .conversations(let layout): layout.title
    case .texts(nil): "a plain text"
    case .texts: "texts without labels"
    case .questions: "questions with choices"
    case .meanings: "meanings to put into words"
    }
  }

  /// Chooses a template for conversations: the model's own, or one that needs no tokens of its own.
  mutating func choose(templateOf model: ChatTemplateFiles) {
    guard task.name == Task.instruct.name, layout != .completions else { return }
    if model.usual != nil {
      options.chatTemplate = "model"
    } else if layout != .instructions {
      options.chatTemplate = "alpaca"
    }
  }

  /// Holds a share of the training examples back, where there is nothing else to validate on.
  mutating func holdBack(_ share: Double) { options.validationSplit = share }
}

extension FileLook {
  /// Says in `options` where `task` finds its texts and labels. Throws where it would find none.
  fileprivate func describe(_ shape: DataShape, for task: Task, in options: inout TaskConfig) throws {
    if task.name == Task.causalLM.name {
      guard format != nil else { return }
      let table = try TableLook(self)
      guard let column = table.texts.first else { throw InitError.noTable(file: file) }
      options.delimiter = table.delimiter
      if column != .name("text") { options.textColumns = [column] }
    } else if task.name == Task.table.name {
      let table = try TableLook(self)
      guard let label = table.label, !table.texts.isEmpty else { throw InitError.noTable(file: file) }
      options.delimiter = table.delimiter
      (options.textColumns, options.labelColumn, options.hasHeader) = (table.texts, label, table.hasHeader)
      (options.problemType, options.labelSeparator) = (table.problem, table.separator)
    }
  }
}

/// What keeps `init` from writing a config.
enum InitError: UserFacingError, Equatable {
  case unknownData(directory: String)
  case noTable(file: String)
  case needsDecoder(data: String, what: String, task: String, model: String, type: String)
  case fileTaken(String)

  var description: String {
    switch self {
    case .unknownData(let directory):
      "\(directory): is none of GLUE's data sets as distributed, and has no file called train.jsonl, train.csv, "
        + "train.tsv, train.txt or the like; say which with --task, or name the files"
    case .noTable(let file): "\(file): no texts with labels, no conversations and no words with tags were found"
    case .needsDecoder(let data, let what, let task, let model, let type):
      "\(data): \(what), and task \(task) needs a model that generates text, but \(model) is a \(type) model; labels are "
        + "found in a column called label or the like, or with --task text-classification"
    case .fileTaken(let file): "\(file): already exists; --force replaces it"
    }
  }

  var exitStatus: ExitStatus {
    switch self {
    case .unknownData, .noTable, .needsDecoder: .badInput
    case .fileTaken: .cannotCreate
    }
  }
}
