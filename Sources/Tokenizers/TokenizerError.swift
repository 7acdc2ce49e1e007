import Diagnostics

/// Where in a tokenizer's files an error stands: file, 1-based line, and the field's path inside the file.
public struct TokenizerPlace: Sendable, Equatable, CustomStringConvertible {
  /// Path of the file.
  public let file: String
  /// 1-based line.
  public let line: Int
  /// Path of the field, such as `model.vocab`; empty for files that have no fields.
  public let field: String

  /// A place.
  public init(file: String, line: Int, field: String = "") {
    self.file = file
    self.line = line
    self.field = field
  }

  /// `file:line: field`.
  public var description: String { field.isEmpty ? "\(file):\(line)" : "\(file):\(line): \(field)" }
}

/// Why a tokenizer cannot be loaded.
public enum TokenizerError: UserFacingError, Equatable {
  /// The directory holds none of the file sets that make a tokenizer.
  case noTokenizer(directory: String)
  /// A file that must exist cannot be read.
  case unreadable(file: String, reason: String)
  /// A binary file is not what it must be.
  case badModelFile(file: String, problem: String)
  /// A file is not UTF-8.
  case notUTF8(file: String, line: Int)
  /// A field is not there.
  case missingField(TokenizerPlace)
  /// A field holds another kind of value than it must.
  case wrongKind(TokenizerPlace, expected: String, found: String)
  /// A field that nothing here reads, so that ids could differ unnoticed.
  case unknownField(TokenizerPlace, nearest: String?)
  /// A component or a value of a field that is not supported.
  case unsupported(TokenizerPlace, value: String, supported: [String])
  /// A number that is not a token id.
  case idOutOfRange(TokenizerPlace, token: String)
  /// Two tokens have the same id.
  case duplicateID(TokenizerPlace, id: Int32, tokens: [String])
  /// The same token stands twice in a list.
  case duplicateToken(TokenizerPlace, token: String)
  /// A token that must be in the vocabulary is not.
  case unknownToken(TokenizerPlace, token: String)
  /// The id given for a token is not the id it has.
  case idMismatch(TokenizerPlace, token: String, given: Int32, actual: Int32)
  /// Anything else that contradicts the format.
  case malformed(TokenizerPlace, problem: String)

  /// One sentence: where, what, and what would be right.
  public var description: String {
    switch self {
    case .noTokenizer(let directory):
      "\(directory): no tokenizer (expected tokenizer.json, or tokenizer.model, or vocab.txt, or vocab.json "
        + "with merges.txt)"
    case .unreadable(let file, let reason): "\(file): cannot be read: \(reason)"
    case .badModelFile(let file, let problem): "\(file): \(problem)"
    case .notUTF8(let file, let line): "\(file):\(line): the text is not valid UTF-8"
    case .missingField(let place): "\(place) is missing"
    case .wrongKind(let place, let expected, let found): "\(place) must be \(expected), not \(found)"
    case .unknownField(let place, let nearest):
      "\(place) is not a known field" + (nearest.map { " (did you mean \($0)?)" } ?? "")
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

  /// Missing files are missing input; everything else is bad input.
  public var exitStatus: ExitStatus {
    switch self {
    case .noTokenizer, .unreadable: .missingInput
    default: .badInput
    }
  }

  private func quoted(_ token: String) -> String { "\"\(token.clipped)\"" }
}
