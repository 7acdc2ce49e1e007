import Diagnostics

/// Why a tokenizer cannot be loaded. Fields of its JSON files that are missing or wrong throw `JSONFieldError`.
public enum TokenizerError: UserFacingError, Equatable {
  /// The directory has no tokenizer.
  case noTokenizer(directory: String)
  /// The files do not say which tokenizer class they are for.
  case noClass(directory: String, supported: [String])
  /// The vocabulary files of a tokenizer class are missing.
  case noVocabulary(_ directory: String, _ tokenizerClass: String, files: [String])
  /// A file cannot be read.
  case unreadable(file: String, reason: String)
  /// A SentencePiece file is wrong.
  case badModelFile(file: String, problem: String)
  /// Oniguruma refuses a regular expression.
  case badExpression(FilePlace, expression: String, reason: String)
  /// A file is not UTF-8.
  case notUTF8(file: String, line: Int)
  /// A component or a value that is not supported.
  case unsupported(FilePlace, value: String, supported: [String])
  /// A number that cannot be a token id.
  case idOutOfRange(FilePlace, token: String)
  /// Two tokens have the same id.
  case duplicateID(FilePlace, id: Int32, tokens: [String])
  /// A token occurs twice.
  case duplicateToken(FilePlace, token: String)
  /// A token that the vocabulary must have is missing.
  case unknownToken(FilePlace, token: String)
  /// A token is given another id than it has.
  case idMismatch(FilePlace, token: String, given: Int32, actual: Int32)
  /// Anything else that contradicts the format.
  case malformed(FilePlace, problem: String)

  /// One sentence: where, what, and what would be right.
  public var description: String {
    switch self {
    case .noTokenizer(let directory):
      "\(directory): no tokenizer (expected tokenizer.json, or a SentencePiece file, or vocab.txt, or vocab.json "
        + "with merges.txt)"
    case .noClass(let directory, let supported):
      "\(directory): tokenizer_config.json must name the tokenizer class (supported: "
        + "\(supported.joined(separator: ", ")))"
    case .noVocabulary(let directory, let name, let files):
      "\(directory): no tokenizer.json and no \(files.joined(separator: " with ")) for \(name)"
    case .unreadable(let file, let reason): "\(file): cannot be read: \(reason)"
    case .badModelFile(let file, let problem): "\(file): \(problem)"
    case .badExpression(let place, let expression, let reason):
      "\(place): the regular expression \(quoted(expression)) cannot be used: \(reason)"
    case .notUTF8(let file, let line): "\(file):\(line): the text is not valid UTF-8"
    case .unsupported(let place, let value, let supported):
      "\(place): \(value) is not supported (supported: \(supported.joined(separator: ", ")))"
    case .idOutOfRange(let place, let token): "\(place): the id of \(quoted(token)) must be between 0 and \(Int32.max)"
    case .duplicateID(let place, let id, let tokens):
      "\(place): \(tokens.map(quoted).joined(separator: " and ")) have the same id \(id)"
    case .duplicateToken(let place, let token): "\(place): \(quoted(token)) occurs twice"
    case .unknownToken(let place, let token): "\(place): \(quoted(token)) is not in the vocabulary"
    case .idMismatch(let place, let token, let given, let actual):
      "\(place): \(quoted(token)) is given the id \(given), but its id is \(actual)"
    case .malformed(let place, let problem): "\(place): \(problem)"
    }
  }

  /// 66 for missing files, otherwise 65.
  public var exitStatus: ExitStatus {
    switch self {
    case .noTokenizer, .noVocabulary, .unreadable: .missingInput
    default: .badInput
    }
  }

  private func quoted(_ token: String) -> String { "\"\(token.clipped)\"" }
}
