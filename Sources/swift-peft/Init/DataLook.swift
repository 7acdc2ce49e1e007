import Configuration
import Diagnostics
import Foundation
import Tasks

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

  /// A table of its own.
  init(trainFile: String, validationFile: String?) throws {
    let columns = try TableLook(trainFile)
    var options = TaskConfig(name: Task.table.name)
    options.trainFile = trainFile
    options.validationFile = validationFile
    options.textColumns = columns.texts
    options.labelColumn = columns.label
    options.hasHeader = columns.hasHeader
    self = try DataLook(.table, options)
  }

  private init(_ task: Task, _ options: TaskConfig) throws {
    let data = try TaskData(task, options)
    guard let labels = data.labels else { throw InitError.noLabels(task: task.name) }
    (self.task, self.labels) = (options, labels)
    let examples = try data.load(.train).examples
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
      "\(directory): is none of GLUE's data sets as distributed; say which with --task, or give --train-file"
    case .noTable(let file): "\(file): not a TSV or CSV table of texts and labels"
    case .noLabels(let task): "--task: init writes configs for tasks with labels, and \(task) has none"
    case .fileTaken(let file): "\(file): exists already; --force replaces it"
    }
  }

  var exitStatus: ExitStatus {
    switch self {
    case .unknownData, .noTable, .noLabels: .badInput
    case .fileTaken: .cannotCreate
    }
  }
}
