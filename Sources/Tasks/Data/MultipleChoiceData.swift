import StrictJSON

/// A question with its possible answers.
public struct ChoiceQuestion: Sendable, Equatable {
  /// The question.
  public let question: String
  /// The answers, at least two.
  public let choices: [String]
  /// The number of the right one, from 0; nil where it is unknown.
  public let answer: Int?
  /// 1-based line in the file.
  public let line: Int

  /// A question from its parts.
  public init(question: String, choices: [String], answer: Int?, line: Int) {
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
    return head + shots.map { "\($0.solved)\n\n" }.joined() + text
  }

  private var solved: String { text + (answer.map { continuations[$0] } ?? "") }
}

/// The questions of a file.
public struct ChoiceQuestions: Sendable {
  /// In file order.
  public let questions: [ChoiceQuestion]
  /// Where they come from.
  public let file: String
  /// Whether that is JSONL or JSON, else CSV.
  public let isJSON: Bool

  /// What the questions are about, by the file's name: `high_school_physics_test.csv` is about `high school physics`.
  /// Nil for files that are not named so.
  public var subject: String? {
    let name = file.split(separator: "/").last.map(String.init) ?? file
    for ending in ["_dev.csv", "_val.csv", "_test.csv"] where name.hasSuffix(ending) && name.count > ending.count {
      return String(name.dropLast(ending.count)).replacing("_", with: " ")
    }
    return nil
  }

  /// Reads MMLU's CSV layout (question, four choices, letter; no header), or JSONL or JSON by its ending, of objects with
  /// `question`, `choices` and `answer` (a letter, or a number from 0). Answers may be missing unless `needsAnswers`.
  public init(path: String, needsAnswers: Bool = true) throws {
    try self.init(bytes: readFile(path), file: path, needsAnswers: needsAnswers)
  }

  /// Reads `bytes` as the file `file`.
  public init(bytes: [UInt8], file: String, needsAnswers: Bool = true) throws {
    try self.init(bytes: bytes, file: file, format: FileFormat(ending: file) ?? .csv, needsAnswers: needsAnswers)
  }

  /// Reads what comes by a pipe under the name `pipe`: JSONL where it begins with a brace, else CSV.
  public init(bytes: [UInt8], pipe: String) throws {
    let first = bytes.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
    try self.init(
      bytes: bytes, file: pipe, format: first == UInt8(ascii: "{") ? .jsonl : .csv, needsAnswers: false)
  }

  private init(bytes: [UInt8], file: String, format: FileFormat, needsAnswers: Bool) throws {
    let table = try Table(bytes: bytes, file: file, format: format, hasHeader: false)
    self.file = file
    isJSON = format.isJSON
    var problems = FileProblems(file: file), questions: [ChoiceQuestion] = []
    for row in table.rows {
      switch isJSON ? Self.record(row, table, needsAnswers) : Self.fields(row, file, needsAnswers) {
      case .success(let question): questions.append(question)
      case .failure(let problem): problems.add(problem)
      }
    }
    try problems.throwIfAny()
    self.questions = questions
  }

  private static func fields(_ row: Row, _ file: String, _ needsAnswer: Bool) -> Result<ChoiceQuestion, TaskError> {
    let fields = row.fields
    guard fields.count == 6 || (fields.count == 5 && !needsAnswer) else {
      return .failure(
        .badRecord(
          file: file, line: row.line,
          problem: "\(fields.count) fields, not 6 (question, choices A to D, letter of the answer)"))
    }
    let answer = fields.count == 6 ? fields[5].trimmed : ""
    return checked(
      fields[0], Array(fields[1...4]), answer.isEmpty && !needsAnswer ? nil : .string(answer), file: file,
      line: row.line)
  }

  private static func record(_ row: Row, _ table: Table, _ needsAnswer: Bool) -> Result<ChoiceQuestion, TaskError> {
    func failure(_ problem: String) -> Result<ChoiceQuestion, TaskError> {
      .failure(.badRecord(file: table.file, line: row.line, problem: problem))
    }
    let question: String
    switch table.text("question", of: row) {
    case .success(let text): question = text ?? ""
    case .failure(let problem): return .failure(problem)
    }
    let elements = row.object?["choices"]?.array ?? [], choices = elements.compactMap(\.string)
    guard row.object?["choices"]?.array != nil, choices.count == elements.count else {
      return failure("choices must be a list of strings")
    }
    let answer = row.object?["answer"].flatMap { $0.isNull ? nil : $0.value }
    if answer == nil, needsAnswer { return failure("answer is missing") }
    return checked(question, choices, answer, file: table.file, line: row.line)
  }

  private static func checked(
    _ question: String, _ choices: [String], _ answer: JSONValue?, file: String, line: Int
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
    guard let answer else {
      return .success(ChoiceQuestion(question: question, choices: choices, answer: nil, line: line))
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
