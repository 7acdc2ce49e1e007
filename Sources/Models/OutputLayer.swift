import Checkpoints
import Kernels

/// Which tensor of a checkpoint gives the next token's logits, by transformers' rule (`tie_weights` of 5.23).
///
/// Where `tie_word_embeddings` is true and the checkpoint holds both tensors, they are tied only if they are equal; where
/// it holds `lm_head.weight` alone, that is the embedding too.
public struct OutputLayer: Sendable {
  /// Whether it is the token embedding.
  public let isTied: Bool
  /// Whether the checkpoint's `lm_head.weight`, if it has one, only repeats the embedding.
  public let isCopy: Bool
  /// The checkpoint, in which the token embedding is found under either name.
  public let directory: WeightFiles
  /// The tensor's name.
  let name: String
  /// Notes for the user.
  public let notices: [String]
  private let shape: [Int]

  /// Compares the two tensors if there are both.
  public init(_ directory: WeightFiles, _ geometry: ModelGeometry) throws {
    let config = geometry.config, embedding = geometry.tokenEmbedding, own = Architecture.languageModelHead
    shape = [config.vocabularySize, config.hiddenSize]
    guard config.tieWordEmbeddings, directory.contains(own) else {
      (isTied, self.directory, notices) = (config.tieWordEmbeddings, directory, [])
      (name, isCopy) = (isTied ? embedding : own, isTied)
      return
    }
    self.directory = directory.reading(embedding, from: own)
    isCopy =
      try directory.contains(embedding)
      && directory.tensor(embedding, shape: shape).hasSameNumbers(as: directory.tensor(own, shape: shape))
    isTied = isCopy || !directory.contains(embedding)
    name = isTied ? embedding : own
    notices =
      isTied
      ? []
      : [
        "\(config.file): tie_word_embeddings is true, but the checkpoint's \(own) differs from its embedding; "
          + "it is used, as transformers does"
      ]
  }

  /// The tensor to load beside those of the base model.
  var wanted: [(name: String, shape: [Int])] { isTied ? [] : [(name, shape)] }
}
