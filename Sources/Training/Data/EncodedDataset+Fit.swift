import Checkpoints
import Diagnostics
import Models

/// A tokenizer that does not go with its model.
public enum EncodingError: UserFacingError, Equatable {
  /// A text became no token at all.
  case noTokens(example: Int, path: String)
  /// A token of a type that the model has no embedding for.
  case typeOutsideModel(type: Int, types: Int, path: String)

  /// What is wrong, and where.
  public var description: String {
    switch self {
    case .noTokens(let example, let path):
      "\(path): the tokenizer makes no token of example \(example + 1), not even a special one"
    case .typeOutsideModel(let type, let types, let path):
      "\(path): the tokenizer gives tokens the type \(type), but type_vocab_size is \(types)"
    }
  }

  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }
}

extension EncodedDataset {
  /// Throws where the model of `config`, in the directory `path`, could not read an example.
  func requireFit(_ config: ModelConfig, path: String) throws {
    for item in items { try config.check(ids: item.ids, path: path) }
    // Decoders have no types and read none.
    let types = config.typeVocabularySize > 0 ? config.typeVocabularySize : Int.max
    for (index, item) in items.enumerated() {
      if item.ids.isEmpty { throw EncodingError.noTokens(example: index, path: path) }
      for type in item.typeIDs where type < 0 || Int(type) >= types {
        throw EncodingError.typeOutsideModel(type: Int(type), types: types, path: path)
      }
    }
  }
}
