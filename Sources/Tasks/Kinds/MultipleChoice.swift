import Foundation
import Metrics
import StrictJSON

extension Task {
  /// Questions with choices.
  public static let multipleChoice = Task(
    "multiple-choice", summary: "Questions with choices: MMLU's CSV, or JSONL or JSON by the file's ending",
    files: [
      .train: ["auxiliary_train", "train.jsonl", "train.csv"],
      .validation: ["val", "validation.jsonl", "validation.csv"],
      .test: ["test", "test.jsonl", "test.csv"],
    ], labels: .none, metrics: [.accuracy, .accuracyNorm],
    options: [.choiceStyle, .numFewshot, .fewshotFile, .fileFormat, .delimiter]
  ) { opening in
    let options = opening.options, style = options.choiceStyle.flatMap(ChoiceStyle.init), format = options.tableStyle
    return TaskReader(labels: nil, objective: Choices()) { request in
      let groups = try request.paths.flatMap { path in
        try ChoiceGroup.all(
          in: path, format: format, shots: request.toTrain ? 0 : options.numFewshot, shotsFile: options.fewshotFile)
      }
      return SplitData(files: request.paths, answers: letters(groups.map(\.questions))) {
        try ChoiceEncoding(encoder: $0, style: style, toTrain: request.toTrain).items(
          groups, limit: request.limit, path: named(request.paths))
      }
    } predict: { input in
      let questions = try ChoiceQuestions(input, format: format)
      let group = try ChoiceGroup(questions, shots: options.numFewshot, shotsFile: options.fewshotFile)
      return SplitData(files: [input.name], answers: letters([questions])) {
        try ChoiceEncoding(encoder: $0, style: style, toTrain: false).items([group], needsAll: true, path: input.name)
      }
    }
  }

  /// The letters of the question with the most choices.
  private static func letters(_ questions: [ChoiceQuestions]) -> LabelSpace {
    let most = questions.flatMap(\.questions).map(\.choices.count).max() ?? 0
    return .classes(Array(ChoiceQuestion.letters.prefix(most)))
  }
}

package struct ChoiceQuestion: Sendable, Equatable {
  let question: String
  /// The answers, at least two.
  package let choices: [String]
  /// The number of the right one, from 0; nil where it is unknown.
  package let answer: Int?
  let line: Int

  /// What the choices are called: `A`, `B`, …
  static let letters = (UInt8(ascii: "A")...UInt8(ascii: "Z")).map { String(Unicode.Scalar($0)) }
}

/// How a question with choices is put to a language model, and what stands for each choice after it.
package enum ChoiceStyle: String, Sendable, CaseIterable {
  /// Choices stand in the prompt, letters are scored: MMLU, as in its paper and in lm-evaluation-harness.
  case letter
  /// `Question: … Answer:`, and the choices' own words are scored: ARC and others in lm-evaluation-harness.
  case text
  /// The question itself, which the choices' words continue: HellaSwag.
  case continuation

  /// The prompt for `question`, with solved questions in front.
  package func prompt(for question: ChoiceQuestion, subject: String?, shots: [ChoiceQuestion]) -> String {
    let about = subject.map { " about \($0)" } ?? ""
    let head = self == .letter ? "The following are multiple choice questions (with answers)\(about).\n\n" : ""
    let solved = shots.map { shot in
      body(shot) + (shot.answer.map { continuations(of: shot)[$0] } ?? "") + "\n\n"
    }
    return head + solved.joined() + body(question)
  }

  /// What a model is scored on after the prompt. The highest log-likelihood is its answer.
  func continuations(of question: ChoiceQuestion) -> [String] {
    (self == .letter ? Array(ChoiceQuestion.letters.prefix(question.choices.count)) : question.choices.map(\.trimmed))
      .map { " " + $0 }
  }

  /// The lengths that log-likelihoods are divided by for `accuracy_norm`: characters, without the space in front, as in
  /// lm-evaluation-harness.
  package func lengths(of question: ChoiceQuestion) -> [Int] {
    continuations(of: question).map { $0.unicodeScalars.count - 1 }
  }

  private func body(_ question: ChoiceQuestion) -> String {
    let text = question.question.trimmed
    switch self {
    case .letter:
      let lines = zip(ChoiceQuestion.letters, question.choices).map { "\($0). \($1)" }
      return ([text] + lines + ["Answer:"]).joined(separator: "\n")
    case .text: return "Question: \(text)\nAnswer:"
    case .continuation: return text
    }
  }
}

package struct ChoiceQuestions: Sendable {
  package let questions: [ChoiceQuestion]
  let file: String
  /// How questions are put unless the config says: letters for MMLU's CSV, words for JSON.
  let usualStyle: ChoiceStyle

  /// What the questions are about, by the file's name: `high_school_physics_test.csv` is about `high school physics`.
  /// Nil for files that are not named so.
  package var subject: String? {
    let name = file.split(separator: "/").last.map(String.init) ?? file
    for ending in ["_dev.csv", "_val.csv", "_test.csv"] where name.hasSuffix(ending) && name.count > ending.count {
      return String(name.dropLast(ending.count)).replacing("_", with: " ")
    }
    return nil
  }

  /// Reads MMLU's CSV layout (question, four choices, letter; no header), or JSONL or JSON by its ending, of objects with
  /// `question`, `choices` and `answer` (a letter, or a number from 0).
  package init(path: String, format: TableStyle = TableStyle()) throws {
    try self.init(bytes: readFile(path), file: path, format: format)
  }

  /// Reads questions whose answers may be missing. What comes by a pipe is JSONL if it begins with a brace, else CSV.
  init(_ input: PredictionInput, format: TableStyle = TableStyle()) throws {
    let first = input.bytes.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
    var format = format
    if input.isPipe { format.format = format.format ?? (first == UInt8(ascii: "{") ? .jsonl : .csv) }
    try self.init(bytes: input.bytes, file: input.name, format: format, needsAnswers: false)
  }

  init(bytes: [UInt8], file: String, format style: TableStyle = TableStyle(), needsAnswers: Bool = true) throws {
    let format = try style.format(of: file, otherwise: .csv)
    let table = try Table(
      bytes: bytes, file: file, format: format, delimiter: style.separator(), hasHeader: false)
    (self.file, usualStyle) = (file, format.isJSON ? .text : .letter)
    questions = try table.rows.mapAll { (row) throws(TaskError) in
      try Self.question(row, table, needsAnswer: needsAnswers)
    }
  }

  private static func question(_ row: Row, _ table: Table, needsAnswer: Bool) throws(TaskError) -> ChoiceQuestion {
    func bad(_ problem: String) -> TaskError { .badRecord(file: table.file, line: row.line, problem: problem) }
    let question: String, choices: [String], answer: JSONValue?
    if let object = row.object {
      question = try table.text("question", of: row) ?? ""
      let elements = object["choices"]?.array
      choices = elements?.compactMap(\.string) ?? []
      if choices.count != elements?.count { throw bad("choices must be a list of strings") }
      answer = object["answer"].flatMap { $0.isNull ? nil : $0.value }
      if answer == nil, needsAnswer { throw bad("answer is missing") }
    } else {
      let fields = row.fields
      guard fields.count == 6 || (fields.count == 5 && !needsAnswer) else {
        throw bad("\(counted(fields.count, "field")), not 6 (question, choices A to D, letter of the answer)")
      }
      (question, choices) = (fields[0], Array(fields[1...4]))
      let letter = fields.count == 6 ? fields[5].trimmed : ""
      answer = letter.isEmpty && !needsAnswer ? nil : .string(letter)
    }
    let letters = ChoiceQuestion.letters.prefix(choices.count)
    if question.trimmed.isEmpty { throw bad("the question is empty") }
    guard choices.count > 1, choices.count == letters.count else {
      throw bad("a question needs 2 to \(ChoiceQuestion.letters.count) choices, found \(choices.count)")
    }
    if let empty = choices.firstIndex(where: \.trimmed.isEmpty) { throw bad("choice \(letters[empty]) is empty") }
    let number: Int? =
      switch answer {
      case .string(let letter): letters.firstIndex(of: letter)
      case .integer(let number): letters.indices.contains(number) ? number : nil
      default: nil
      }
    if answer != nil, number == nil {
      throw bad("answer must be a letter A to \(letters.last ?? ""), or a number 0 to \(choices.count - 1)")
    }
    return ChoiceQuestion(question: question, choices: choices, answer: number, line: row.line)
  }
}

/// Questions about one subject, and the solved ones to be put in front of each.
package struct ChoiceGroup: Sendable {
  package let questions: ChoiceQuestions
  package let shots: [ChoiceQuestion]

  /// The questions in `path` by subject: those of the file, or of each `.csv` file in the directory (MMLU's layout).
  /// Each has `shots` solved questions to be put in front: those of `shotsFile`, else of the file
  /// `dev/SUBJECT_dev.csv` beside the directory of the subject's own. Throws where there are fewer. With nil there are up
  /// to five, as in MMLU, and none where there is no such file.
  package static func all(
    in path: String, format: TableStyle = TableStyle(), shots: Int?, shotsFile: String? = nil
  ) throws -> [ChoiceGroup] {
    try files(in: path).map {
      try ChoiceGroup(ChoiceQuestions(path: $0, format: format), shots: shots, shotsFile: shotsFile)
    }
  }

  /// Questions with solved ones for their prompts, found as by `all`.
  init(_ questions: ChoiceQuestions, shots: Int?, shotsFile: String?) throws {
    self.questions = questions
    var file = shotsFile ?? Self.developmentFile(of: questions)
    if shots == nil, shotsFile == nil { file = file.flatMap { FileManager.default.fileExists(atPath: $0) ? $0 : nil } }
    guard shots != 0, let file else {
      if shots ?? 0 > 0 { throw TaskError.noShots(file: questions.file) }
      self.shots = []
      return
    }
    let solved = try ChoiceQuestions(path: file).questions
    if let shots, solved.count < shots {
      throw TaskError.tooFewShots(file: file, found: solved.count, wanted: shots)
    }
    self.shots = Array(solved.prefix(shots ?? 5))
  }

  private static func developmentFile(of questions: ChoiceQuestions) -> String? {
    let url = URL(fileURLWithPath: questions.file)
    guard questions.subject != nil, let ending = url.lastPathComponent.range(of: "_", options: .backwards) else {
      return nil
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
    let names = try? FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasSuffix(".csv") }.sorted {
      $0.utf8.lexicographicallyPrecedes($1.utf8)
    }
    guard let names, !names.isEmpty else { throw TaskError.unreadable(file: path, reason: "holds no .csv file") }
    return names.map { "\(path)/\($0)" }
  }
}
