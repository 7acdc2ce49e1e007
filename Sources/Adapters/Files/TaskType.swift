import Models
import StrictJSON

/// PEFT's names for what an adapter was trained for.
public enum TaskType {
  /// The next token.
  public static let language = "CAUSAL_LM"
  static let sequence = "SEQ_CLS"
  static let tokens = "TOKEN_CLS"

  /// That of a classifier with a head.
  public static func classifier(_ head: HeadKind) -> String {
    switch head {
    case .sequence: sequence
    case .tokens: tokens
    }
  }

  /// The head that an adapter of this type has. Unknown types count as classifiers of sequences, as in PEFT the head alone
  /// tells.
  public static func head(_ type: String?) -> HeadKind { type == tokens ? .tokens : .sequence }

  /// Whether heads of two types mean different things although their tensors may have the same names and shapes.
  public static func differ(_ one: String?, _ other: String?) -> Bool {
    let heads = [sequence, tokens]
    guard let one, let other else { return false }
    return heads.contains(one) && heads.contains(other) && one != other
  }
}

extension AdapterFile {
  /// The task type of the adapter in `directory`, native or PEFT's, if it names one. Throws if its config is missing or is
  /// not JSON.
  public static func taskType(_ directory: String) throws -> String? {
    try JSONField(file: "\(directory)/\(configName)").optional("task_type")?.node.string
  }
}
