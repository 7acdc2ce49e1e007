import Adapters
import Checkpoints
import Configuration
import Diagnostics
import Foundation
import Models
import StrictJSON
import Tasks
import Tokenizers

/// What `init` finds in a data set.
struct DataLook {
  let task: TaskConfig
  let labels: LabelSpace
  /// The first training examples.
  let sample: [Example]
  /// All training examples.
  let count: Int

  /// This many examples tell how long texts are.
  static let sampleSize = 2000

  /// The data in `directory`; `name` is the task, or nil to find out which task of the catalog it looks like.
  init(directory: String, name: String?, catalog: Catalog = .standard) throws {
    let tasks = try name.map { [try catalog.tasks.named($0)] } ?? catalog.tasks.filter(\.comesAsDirectory)
    var failures: [any Error] = []
    for task in tasks {
      var options = TaskConfig(name: task.name)
      options.dataDir = directory
      do {
        self = try DataLook(task, options)
        return
      } catch { failures.append(error) }
    }
    if name != nil, let failure = failures.first { throw failure }
    throw InitError.unknownData(directory: directory)
  }

  /// A file of one's own: words with tags, or a table.
  init(trainFile: String, validationFile: String?) throws {
    if Task.looksTagged(trainFile) {
      var options = TaskConfig(name: Task.tokenClassification.name)
      (options.trainFile, options.validationFile) = ([trainFile], validationFile.map { [$0] })
      self = try DataLook(.tokenClassification, options)
      return
    }
    let columns = try TableLook(trainFile)
    var options = TaskConfig(name: Task.table.name)
    options.trainFile = [trainFile]
    options.validationFile = validationFile.map { [$0] }
    options.textColumns = columns.texts
    options.labelColumn = columns.label
    options.hasHeader = columns.hasHeader
    self = try DataLook(.table, options)
  }

  private init(_ task: Task, _ options: TaskConfig) throws {
    let data = try TaskData(task, options)
    guard let labels = data.labels else { throw InitError.noLabels(task: task.name) }
    (self.task, self.labels) = (options, labels)
    let train = try data.load(.train)
    // The tokens of a sentence are about those of its text.
    let sentences = train.sentences.map { Example(text: $0.words.joined(separator: " "), line: $0.line) }
    let examples = train.examples + sentences
    sample = Array(examples.prefix(Self.sampleSize))
    count = examples.count
  }
}

/// Which columns of a table are texts and which is the label, judged by the first rows.
struct TableLook {
  let hasHeader: Bool
  let texts: [Column]
  let label: Column

  private static let labelNames: Set<String> = [
    "label", "labels", "class", "category", "target", "score", "gold_label",
  ]

  init(_ path: String) throws {
    guard let bytes = FileManager.default.contents(atPath: path) else { throw FileMissing(path: path) }
    let head = bytes.prefix(1 << 20)
    // The last line may be cut off.
    let whole = head.count < bytes.count ? head.prefix(upTo: (head.lastIndex(of: 10) ?? head.endIndex - 1) + 1) : head
    let table = try? Table(
      bytes: Array(whole), file: path, format: FileFormat(ending: path) ?? .tsv, hasHeader: false)
    let lines = (table?.rows.prefix(500) ?? []).map(\.fields)
    guard let first = lines.first, first.count > 1, lines.count > 2 else { throw InitError.noTable(file: path) }
    let rows = lines.dropFirst().filter { $0.count == first.count }
    let distinct = first.indices.map { column in Set(rows.map { $0[column] }).count }
    let lengths = first.indices.map { column in
      Double(rows.map { $0[column].count }.reduce(0, +)) / Double(max(1, rows.count))
    }
    let named = first.firstIndex { Self.labelNames.contains($0.lowercased()) }
    // Classes repeat; the last of the columns with the fewest different values.
    guard let label = named ?? first.indices.reversed().min(by: { distinct[$0] < distinct[$1] }),
      let longest = first.indices.filter({ $0 != label }).max(by: { lengths[$0] < lengths[$1] })
    else { throw InitError.noTable(file: path) }
    // A second text is about as long as the first one, and rows differ in it.
    let texts = first.indices.filter { column in
      column == longest
        || (column != label && lengths[column] > max(8, lengths[longest] / 4) && distinct[column] * 2 > rows.count)
    }.prefix(2)
    let isHeader = named != nil || !rows.contains { $0[label] == first[label] }
    hasHeader = isHeader
    func column(_ index: Int) -> Column { isHeader ? .name(first[index]) : .index(index) }
    self.texts = texts.map(column)
    self.label = column(label)
  }
}

/// What keeps `init` from writing a config.
enum InitError: UserFacingError, Equatable {
  case unknownData(directory: String)
  case noTable(file: String)
  case noLabels(task: String)
  case fileTaken(String)

  var description: String {
    switch self {
    case .unknownData(let directory):
      "\(directory): is none of GLUE's data sets as distributed; say which with --task, or give a TSV or CSV file instead"
    case .noTable(let file): "\(file): not a TSV or CSV table of texts and labels"
    case .noLabels(let task): "--task: init writes configs for tasks with labels, and \(task) has none"
    case .fileTaken(let file): "\(file): already exists; --force replaces it"
    }
  }

  var exitStatus: ExitStatus {
    switch self {
    case .unknownData, .noTable, .noLabels: .badInput
    case .fileTaken: .cannotCreate
    }
  }
}

/// The config that `init` writes, with a comment on every value that came from looking.
struct InitialConfig {
  let name: String
  let modelPath: String
  let model: ModelConfig
  let data: DataLook
  let strategy: String
  /// Tokens of the sampled examples, sorted; empty without a tokenizer.
  let lengths: [Int]

  init(name: String, modelPath: String, data: DataLook, strategy: String) throws {
    (self.name, self.modelPath, self.data, self.strategy) = (name, modelPath, data, strategy)
    model = try ModelConfig(directory: modelPath)
    let tokenizer = try Tokenizer(modelDirectory: modelPath, family: model.architecture)
    lengths = data.sample.map { tokenizer.encode($0.text, pair: $0.pair).ids.count }.sorted()
  }

  /// The length that at most 1 of 100 examples exceeds, in steps of 16.
  private var maxLength: Int {
    guard let long = lengths.dropLast(lengths.count / 100).last else { return 128 }
    return min(model.maximumSequenceLength, (long + 15) / 16 * 16)
  }

  private var batchSize: Int { data.count < 1000 ? 16 : 32 }
  private var epochs: Int { data.count < 1000 ? 20 : data.count < 10_000 ? 10 : 3 }
  private var steps: Int { (data.count + batchSize - 1) / batchSize * epochs }
  /// Narrow models want larger steps.
  private var learningRate: String { model.hiddenSize < 512 ? "1e-3" : "4e-4" }

  var text: String {
    let task = data.task, hasValidation = task.dataDir != nil || task.validationFile != nil
    let summary = AdapterMethod.all.first { $0.name == strategy }?.summary ?? ""
    let long = lengths.last ?? 0
    let cut = lengths.filter { $0 > maxLength }.count
    return """
      // swift-peft train \(name).json
      {
        "name": \(quoted(name)),
        // \(model.modelType), \(model.layers) layers of width \(model.hiddenSize)
        "model": \(quoted(modelPath)),
        "task": {
      \(files(task))
          // Of the first \(grouped(lengths.count)) examples the longest has \(long) tokens; \(grouped(cut)) are cut.
          "max_seq_length": \(maxLength)
        },
        "adapter": {
          // \(summary)
          // Others: \(AdapterMethod.all.map(\.name).filter { $0 != strategy }.joined(separator: ", "))
          "strategy": \(quoted(strategy)),
          "r": 8,
          "lora_alpha": 16,
          // Suffixes of module names, or "all-linear"
          "target_modules": [\(model.architecture.defaultTargets.map(quoted).joined(separator: ", "))]
        },
        "training": {
          // \(grouped(data.count)) examples: \(grouped(steps)) steps in all
          "num_train_epochs": \(epochs),
          "train_batch_size": \(batchSize),
          "learning_rate": \(learningRate),
          "weight_decay": 0.01,
          "warmup_ratio": 0.06,
          "seed": 42,
          "eval_strategy": "\(hasValidation ? "epoch" : "no")"
        },
        "output_dir": \(quoted("runs/\(name)"))
      }

      """
  }

  private func files(_ task: TaskConfig) -> String {
    var lines = ["    // \(labels)", "    \"name\": \(quoted(task.name)),"]
    func add(_ key: String, _ value: String?) { value.map { lines.append("    \"\(key)\": \(quoted($0)),") } }
    add("data_dir", task.dataDir)
    add("train_file", task.trainFile?.first)
    add("validation_file", task.validationFile?.first)
    if let texts = task.textColumns {
      lines.append("    \"text_columns\": [\(texts.map(column).joined(separator: ", "))],")
    }
    if let label = task.labelColumn { lines.append("    \"label_column\": \(column(label)),") }
    if !task.hasHeader { lines.append("    \"has_header\": false,") }
    return lines.joined(separator: "\n")
  }

  private var labels: String {
    switch data.labels {
    case .regression: "Labels are numbers: a regression"
    case .classes(let names), .labelSets(let names):
      "\(names.count) classes: \(names.prefix(8).joined(separator: ", "))\(names.count > 8 ? ", …" : "")"
    }
  }

  private func column(_ column: Column) -> String {
    switch column {
    case .name(let name): quoted(name)
    case .index(let number): String(number)
    }
  }

  private func quoted(_ text: String) -> String { JSONWriter.quoted(text) }
}
