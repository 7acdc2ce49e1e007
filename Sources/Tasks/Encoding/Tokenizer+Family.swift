import Models
import Tokenizers

extension Tokenizer {
  /// The tokenizer of a model directory, with what transformers registers for the model's family; nil for a directory of
  /// tokenizer files alone. Throws `TokenizerError` and the errors of its JSON files.
  public init(modelDirectory: String, family: Architecture?, addsPrefixSpace: Bool = false) throws {
    try self.init(
      modelDirectory: modelDirectory, tokenizerClass: family?.tokenizerClass,
      forcesClass: family?.forcesTokenizerClass ?? false, addsPrefixSpace: addsPrefixSpace)
  }
}
