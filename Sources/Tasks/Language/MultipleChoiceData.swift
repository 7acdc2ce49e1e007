import StrictJSON

/// A question with its possible answers.
public struct ChoiceQuestion: Sendable, Equatable {
  /// The question.
  public let question: String
  /// The answers, at least two.
  public let choices: [String]
  /// The number of the right one, from 0.
  public let answer: Int
  /// 1-based line in the file.
  public let line: Int

  /// A question from its parts.
  public init(question: String, choices: [String], answer: Int, line: Int) {
    (self.question, self.choices, self.answer, self.line) = (question, choices, answer, line)
  }

  /// What the choices are called: `A`, `B`, …
  public static let letters = (UInt8(ascii: "A")...UInt8(ascii: "Z")).map { String(Unicode.Scalar($0)) }

  /// The question with its choices, up to `Answer:`.
  public var text: String {
    let lines = zip(Self.letters, choices).map { "\($0). \($1)" }
    return ([question.trimmed] + lines + ["Answer:"]).joined(separator: "\n")
  }

  /// What a model is scored on after the prompt: ` A`, ` B`, … The highest log-likelihood is its answer.
  public var continuations: [String] { Self.letters.prefix(choices.count).map { " " + $0 } }

  /// The prompt with solved questions in front, as in MMLU's paper and in lm-evaluation-harness.
  public func prompt(subject: String?, shots: [ChoiceQuestion]) -> String {
    let about = subject.map { " about \($0)" } ?? ""
    let head = "The following are multiple choice questions (with answers)\(about).\n\n"
    return head + shots.map { "\($0.text)\($0.continuations[$0.answer])\n\n" }.joined() + text
  }
}

/// The questions of a file.
public struct ChoiceQuestions: Sendable {
  /// In file order.
  public let questions: [ChoiceQuestion]
  /// Where they come from.
  public let file: String

  /// What the questions are about, by the file's name: `high_school_physics_test.csv` is about `high school physics`.
  /// Nil for files that are not named so.
  public var subject: String? {
    let name = file.split(separator: "/").last.map(String.init) ?? file
    for ending in ["_dev.csv", "_val.csv", "_test.csv"] where name.hasSuffix(ending) && name.count > ending.count {
      return String(name.dropLast(ending.count)).replacing("_", with: " ")
    }
    return nil
  }

  /// Reads MMLU's CSV layout (question, four choices, letter; no header), or JSONL by its ending, of objects with
  /// `question`, `choices` and `answer` (a letter, or a number from 0).
  public init(path: String) throws { try self.init(bytes: readFile(path), file: path) }

  /// Reads `bytes` as the file `file`.
  public init(bytes: [UInt8], file: String) throws {
    self.file = file
    var problems = ProblemList(file: file)
    var questions: [ChoiceQuestion] = []
    func take(_ question: Result<ChoiceQuestion, TaskError>) {
      switch question {
      case .success(let question): questions.append(question)
      case .failure(let problem): problems.add(problem)
      }
    }
    if RecordFile.isJSONLines(file) {
      for record in try RecordFile(bytes: bytes, file: file, isLines: true).records {
        take(Self.question(record, file))
      }
    } else {
      for row in try CSVFile(bytes: bytes, file: file).rows { take(Self.question(row, file)) }
    }
    try problems.throwIfAny()
    self.questions = questions
  }

  private static func question(_ row: CSVRow, _ file: String) -> Result<ChoiceQuestion, TaskError> {
    guard row.fields.count == 6 else {
      return .failure(
        .badRecord(
          file: file, line: row.line,
          problem: "\(row.fields.count) fields, not 6 (question, choices A to D, letter of the answer)"))
    }
    return checked(
      row.fields[0], Array(row.fields[1...4]), .string(row.fields[5].trimmed), file: file, line: row.line)
  }

  private static func question(_ record: DataRecord, _ file: String) -> Result<ChoiceQuestion, TaskError> {
    let question: String
    switch record.string("question", file: file) {
    case .success(let text): question = text ?? ""
    case .failure(let problem): return .failure(problem)
    }
    guard let elements = record.object["choices"]?.array else {
      return .failure(.badRecord(file: file, line: record.line, problem: "choices must be a list of strings"))
    }
    let choices = elements.compactMap(\.string)
    guard choices.count == elements.count else {
      return .failure(.badRecord(file: file, line: record.line, problem: "choices must be a list of strings"))
    }
    guard let answer = record.object["answer"] else {
      return .failure(.badRecord(file: file, line: record.line, problem: "answer is missing"))
    }
    return checked(question, choices, answer.value, file: file, line: record.line)
  }

  private static func checked(
    _ question: String, _ choices: [String], _ answer: JSONValue, file: String, line: Int
  ) -> Result<ChoiceQuestion, TaskError> {
    func failure(_ problem: String) -> Result<ChoiceQuestion, TaskError> {
      .failure(.badRecord(file: file, line: line, problem: problem))
    }
    if question.trimmed.isEmpty { return failure("the question is empty") }
    guard (2...ChoiceQuestion.letters.count).contains(choices.count) else {
      return failure("a question needs 2 to \(ChoiceQuestion.letters.count) choices, found \(choices.count)")
    }
    if let empty = choices.firstIndex(where: { $0.trimmed.isEmpty }) {
      return failure("choice \(ChoiceQuestion.letters[empty]) is empty")
    }
    let letters = ChoiceQuestion.letters.prefix(choices.count)
    let number: Int? =
      switch answer {
      case .string(let letter): letters.firstIndex(of: letter)
      case .integer(let number): letters.indices.contains(number) ? number : nil
      default: nil
      }
    guard let number else {
      return failure("answer must be a letter A to \(letters.last ?? ""), or a number 0 to \(choices.count - 1)")
    }
    return .success(ChoiceQuestion(question: question, choices: choices, answer: number, line: line))
  }
}
