import Foundation

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

  /// The questions in `path` by subject: those of the file, or of each `.csv` file in the directory (MMLU's layout).
  /// Each has `shots` solved questions to be put in front: those of `shotsFile`, else of the file
  /// `dev/SUBJECT_dev.csv` beside the directory of the subject's own. Throws where there are fewer. With nil there are up
  /// to five, as in MMLU, and none where there is no such file.
  public static func all(in path: String, shots: Int?, shotsFile: String? = nil) throws -> [ChoiceGroup] {
    try files(in: path).map { try ChoiceGroup(ChoiceQuestions(path: $0), shots: shots, shotsFile: shotsFile) }
  }

  /// Questions with solved ones for their prompts, found as by `all`.
  public init(_ questions: ChoiceQuestions, shots: Int?, shotsFile: String? = nil) throws {
    let file: String?
    if shots == 0 {
      file = nil
    } else if shots == nil, shotsFile == nil {
      file = (try? Self.developmentFile(of: questions)).flatMap {
        FileManager.default.fileExists(atPath: $0) ? $0 : nil
      }
    } else {
      file = try shotsFile ?? Self.developmentFile(of: questions)
    }
    guard let file else {
      self.init(questions, shots: [])
      return
    }
    let solved = try ChoiceQuestions(path: file)
    if let shots, solved.questions.count < shots {
      throw TaskError.tooFewShots(file: solved.file, found: solved.questions.count, wanted: shots)
    }
    self.init(questions, shots: Array(solved.questions.prefix(shots ?? Self.usualShots)))
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
