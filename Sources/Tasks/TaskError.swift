import Diagnostics
import Metrics

/// What can be wrong with a task's data, or with the way a config names it.
public enum TaskError: UserFacingError, Equatable {
  /// No task has this name.
  case unknownTask(String, known: [String])
  /// The task has no such split.
  case noSuchSplit(task: String, split: Split, splits: [Split])
  /// Neither `data_dir` nor the split's own file is given.
  case noFileGiven(task: String, split: Split)
  /// A value of the section `task` that the task cannot use.
  case badOption(key: String, problem: String)
  /// The labels of a saved head aren't the task's.
  case otherLabels(task: String, given: LabelSpace, expected: LabelSpace)

  /// A split's file isn't there.
  case missingFile(file: String, task: String, split: Split)
  /// A pattern for a split's files matches none.
  case noMatch(pattern: String, task: String, split: Split)
  /// A file can't be read.
  case unreadable(file: String, reason: String)
  /// A file holds nothing, or no row but its header.
  case emptyFile(file: String), onlyHeader(file: String)
  /// A file of CoNLL's columns where a table is needed, or the other way round.
  case noTable(file: String), noSentences(file: String, format: FileFormat)
  /// A file is in a format that is not read.
  case foreignFormat(file: String, format: String, advice: String)
  /// A file that would be read as plain text holds records.
  case recordsInText(file: String, format: FileFormat)
  /// A column of a JSON file is given by its number.
  case numberedColumn(file: String, column: Column)
  /// A file lacks a column.
  case missingColumn(file: String, column: Column, header: [String]?)

  /// A line within a file isn't UTF-8, or is blank.
  case invalidUTF8(file: String, line: Int), blankLine(file: String, line: Int)
  /// A row is too short.
  case missingField(file: String, line: Int, column: String, fields: Int)
  /// A line of a text of pairs hasn't two fields.
  case notAPair(file: String, line: Int, fields: Int)
  /// A row has no label.
  case emptyLabel(file: String, line: Int)
  /// A tag is given by its number, and nothing says what it is called.
  case tagNumber(file: String, line: Int, number: Int)
  /// A label isn't one of the known classes.
  case unknownLabel(file: String, line: Int, label: String, known: [String])
  /// A score isn't a number, or is NaN, infinite or too large.
  case labelNotNumber(file: String, line: Int, label: String), labelNotFinite(file: String, line: Int, label: String)
  /// No row of a training file has a label.
  case noLabelAtAll(file: String)
  /// All labels of a training file are the same.
  case oneClass(file: String, label: String)
  /// A record of language data that cannot be used.
  case badRecord(file: String, line: Int, problem: String)
  /// A file of which every record was left out.
  case nothingUsable(file: String, reasons: [String])
  /// A file of solved questions has fewer than are to stand in a prompt.
  case tooFewShots(file: String, found: Int, wanted: Int)
  /// There are no solved questions to put in front of a file's.
  case noShots(file: String)
  /// Generated texts that are not one for each of what they are compared with.
  case textCount(file: String, found: Int, references: String, expected: Int)
  /// The model names no end-of-text token, and one is needed.
  case noEndOfText(directory: String)

  /// 66 where a file is missing, else 65.
  public var exitStatus: ExitStatus {
    switch self {
    case .missingFile, .noMatch, .unreadable: .missingInput
    default: .badInput
    }
  }

  /// One sentence.
  public var description: String {
    switch self {
    case .unknownTask(let name, let known):
      "task.name: no task \"\(name)\"" + meant(name, known) + "; the tasks are \(known.joined(separator: ", "))"
    case .noSuchSplit(let task, let split, let splits):
      "\(task) has no split \(split.rawValue); its splits are \(splits.map(\.rawValue).joined(separator: ", "))"
    case .noFileGiven(let task, let split):
      "task: neither \(split.fileKey) nor data_dir is given, so \(task) has no file for \(split.rawValue)"
    case .badOption(let key, let problem): "task.\(key): \(problem)"
    case .otherLabels(let task, let given, let expected):
      "the head was trained on \(given), but \(task) has \(expected)"
    case .missingFile(let file, let task, let split):
      "\(file): no such file; looked for the \(split.rawValue) split of \(task)"
    case .noMatch(let pattern, let task, let split):
      "\(pattern): matches no file; looked for the \(split.rawValue) split of \(task)"
    case .unreadable(let file, let reason): "\(file): \(reason)"
    case .emptyFile(let file): "\(file): the file is empty"
    case .onlyHeader(let file): "\(file): no rows after the header"
    case .noTable(let file): "\(file): CoNLL's columns are no table; task token-classification reads them"
    case .noSentences(let file, let format):
      "\(file): \(format.rawValue) has no sentences; task token-classification reads CoNLL's columns (conll), JSONL and JSON"
    case .tagNumber(let file, let line, let number):
      "\(file):\(line): the tag \(number) is a number; task.label_names must list what the numbers mean"
    case .foreignFormat(let file, let format, let advice):
      "\(file): this is \(format), not text, CSV, TSV, JSONL or JSON; \(advice)"
    case .recordsInText(let file, let format):
      "\(file): holds \(format.rawValue.uppercased()), although its name does not end so; file_format (or --format) "
        + "\"\(format.rawValue)\" reads its records, \"text\" takes the file as it is"
    case .missingColumn(let file, let column, let header):
      "\(file):1: no column \(column)" + missingColumnHint(column, header)
    case .numberedColumn(let file, let column): "\(file):1: no column \(column); JSON records have names"
    case .invalidUTF8(let file, let line): "\(file):\(line): not UTF-8"
    case .blankLine(let file, let line): "\(file):\(line): blank line"
    case .missingField(let file, let line, let column, let fields):
      "\(file):\(line): no field for column \(column.clipped); the line has \(counted(fields, "field"))"
    case .notAPair(let file, let line, let fields):
      "\(file):\(line): a pair is two fields with a TAB between them; the line has \(fields)"
    case .emptyLabel(let file, let line): "\(file):\(line): the label is empty"
    case .unknownLabel(let file, let line, let label, let known):
      "\(file):\(line): unknown label \"\(label.clipped)\"; the labels are \(listed(known))"
    case .labelNotNumber(let file, let line, let label): "\(file):\(line): label \"\(label.clipped)\" is not a number"
    case .labelNotFinite(let file, let line, let label):
      "\(file):\(line): label \"\(label.clipped)\" is not a finite number"
    case .oneClass(let file, let label):
      "\(file): every label is \"\(label.clipped)\"; classification needs at least two classes"
    case .noLabelAtAll(let file): "\(file): no row has a label"
    case .badRecord(let file, let line, let problem): "\(file):\(line): \(problem)"
    case .nothingUsable(let file, let reasons):
      "\(file): no usable records: each has \(reasons.joined(separator: ", or "))"
    case .tooFewShots(let file, let found, let wanted):
      "\(file): \(counted(found, "question")), fewer than the \(wanted) for a prompt"
    case .noShots(let file):
      "\(file): no solved questions for the prompt: give a file of them, or name the files as MMLU's "
        + "(test/SUBJECT_test.csv, dev/SUBJECT_dev.csv)"
    case .textCount(let file, let found, let references, let expected):
      "\(file): \(counted(found, "text")), but \(references) has \(expected) meaning representations: one text is needed "
        + "for each, in the order of their first rows"
    case .noEndOfText(let directory):
      "\(directory)/config.json: eos_token_id is missing: texts and answers need a token that ends them"
    }
  }
}

private func meant(_ name: String, _ candidates: [String]) -> String {
  nearestName(to: name, among: candidates).map { ", did you mean \"\($0)\"?" } ?? ""
}

private func missingColumnHint(_ column: Column, _ header: [String]?) -> String {
  guard let header else { return "; the first line has fewer fields" }
  var hint = ""
  if case .name(let name) = column { hint = meant(name, header) }
  return "\(hint); the header has \(listed(header))"
}

/// `"a", "b", "c"`, the first twenty.
func listed(_ names: [String]) -> String {
  let shown = names.prefix(20).map { "\"\($0.clipped)\"" }.joined(separator: ", ")
  return names.count > 20 ? "\(shown) and \(names.count - 20) more" : shown
}
