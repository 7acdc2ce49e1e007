import Foundation
import Metrics

/// The tasks of language models.
public enum LanguageTask: String, Sendable, CaseIterable {
  case causalLM = "causal-lm"
  case instruct, e2e
  case multipleChoice = "multiple-choice"

  /// The files of a split within `data_dir`, in the order they are looked for. Of `multiple-choice` they may be
  /// directories, whose `.csv` files are one subject each (MMLU's layout).
  func fileNames(_ split: Split) -> [String] {
    switch (self, split) {
    case (_, .validationMismatched): []
    case (.e2e, .train): ["trainset.csv"]
    case (.e2e, .validation): ["devset.csv"]
    case (.e2e, .test): ["testset_w_refs.csv"]
    case (.causalLM, .train): ["train.txt", "train.jsonl"]
    case (.causalLM, .validation): ["validation.txt", "valid.txt", "validation.jsonl"]
    case (.causalLM, .test): ["test.txt", "test.jsonl"]
    case (.instruct, _): ["\(split.rawValue).json", "\(split.rawValue).jsonl"]
    case (.multipleChoice, .train): ["auxiliary_train", "train.jsonl", "train.csv"]
    case (.multipleChoice, .validation): ["val", "validation.jsonl", "validation.csv"]
    case (.multipleChoice, .test): ["test", "test.jsonl", "test.csv"]
    }
  }
}

/// Where the files of a language task are.
public struct LanguageSource: Sendable, Equatable {
  /// The task.
  public var task: LanguageTask
  /// Holds the files under their usual names.
  public var dataDirectory: String?
  /// Instead of those in `dataDirectory`.
  public var files: [Split: String]

  /// A source.
  public init(_ task: LanguageTask, dataDirectory: String? = nil, files: [Split: String] = [:]) {
    (self.task, self.dataDirectory, self.files) = (task, dataDirectory, files)
  }

  /// The file or directory of `split`. Throws where the task has none.
  public func path(_ split: Split) throws -> String {
    let names = task.fileNames(split)
    if names.isEmpty {
      throw TaskError.noSuchSplit(
        task: task.rawValue, split: split, splits: Split.allCases.filter { !task.fileNames($0).isEmpty })
    }
    let candidates: [String]
    if let own = files[split] {
      candidates = [own]
    } else if let dataDirectory {
      candidates = names.map { "\(dataDirectory)/\($0)" }
    } else {
      throw TaskError.noFileGiven(task: task.rawValue, split: split)
    }
    if let path = candidates.first(where: FileManager.default.fileExists(atPath:)) { return path }
    throw TaskError.missingFile(file: candidates[0], task: task.rawValue, split: split)
  }

  /// The questions of a `multiple-choice` split by subject, each with `shots` solved ones to be put in front: those of
  /// `shotsFile`, else of the file `dev/SUBJECT_dev.csv` beside the directory of the subject's own. Throws where there
  /// are fewer. With nil there are up to five, as in MMLU, and none where there is no such file.
  public func questions(_ split: Split, shots: Int?, shotsFile: String? = nil) throws -> [ChoiceGroup] {
    try Self.files(in: path(split)).map {
      try Self.group(ChoiceQuestions(path: $0), shots: shots, shotsFile: shotsFile)
    }
  }

  /// Questions with solved ones for their prompts, found as `questions` does.
  public static func group(_ questions: ChoiceQuestions, shots: Int?, shotsFile: String? = nil) throws -> ChoiceGroup {
    let file: String?
    if shots == 0 {
      file = nil
    } else if shots == nil, shotsFile == nil {
      file = (try? developmentFile(of: questions)).flatMap { FileManager.default.fileExists(atPath: $0) ? $0 : nil }
    } else {
      file = try shotsFile ?? developmentFile(of: questions)
    }
    guard let file else { return ChoiceGroup(questions, shots: []) }
    let solved = try ChoiceQuestions(path: file)
    if let shots, solved.questions.count < shots {
      throw TaskError.tooFewShots(file: solved.file, found: solved.questions.count, wanted: shots)
    }
    return ChoiceGroup(questions, shots: Array(solved.questions.prefix(shots ?? usualShots)))
  }

  /// Solved questions of a prompt where a config says nothing: MMLU's number.
  private static let usualShots = 5

  private static func developmentFile(of questions: ChoiceQuestions) throws -> String {
    let url = URL(fileURLWithPath: questions.file)
    guard questions.subject != nil, let ending = url.lastPathComponent.range(of: "_", options: .backwards) else {
      throw TaskError.noShots(file: questions.file)
    }
    let subject = url.lastPathComponent[..<ending.lowerBound]
    return url.deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("dev/\(subject)_dev.csv").path
  }

  /// `path` itself, or the CSV files in it by name.
  private static func files(in path: String) throws -> [String] {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue else {
      return [path]
    }
    let names = try? FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasSuffix(".csv") }.sorted()
    guard let names, !names.isEmpty else { throw TaskError.unreadable(file: path, reason: "holds no .csv file") }
    return names.map { "\(path)/\($0)" }
  }
}

/// Questions about one subject, and the solved ones to be put in front of each.
public struct ChoiceGroup: Sendable {
  /// The questions.
  public let questions: ChoiceQuestions
  /// Solved questions.
  public let shots: [ChoiceQuestion]

  /// A group.
  public init(_ questions: ChoiceQuestions, shots: [ChoiceQuestion]) {
    (self.questions, self.shots) = (questions, shots)
  }

  /// The prompt for each question, in their order.
  public var prompts: [String] {
    questions.questions.map { $0.prompt(subject: questions.subject, shots: shots) }
  }
}
