/// The spellings under which a checkpoint may hold the tensor that a model asks for.
///
/// As in transformers, a base model's tensors may carry the name under which a task model holds the base model
/// (`bert.embeddings…` for `embeddings…`) or lack it, and BERT's oldest checkpoints call the weight and bias of a
/// LayerNorm gamma and beta.
enum TensorNames {
  /// Every spelling of `name`, the likeliest first; `name` itself is the first.
  static func spellings(of name: String, basePrefix: String?) -> [String] {
    var spellings = [name]
    if let prefix = basePrefix.map({ $0 + "." }) {
      spellings.append(name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : prefix + name)
    }
    return spellings + spellings.compactMap(legacy)
  }

  /// The name with gamma or beta, where it is that of a LayerNorm.
  private static func legacy(_ name: String) -> String? {
    for (now, then) in [("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")]
    where name.hasSuffix(now) {
      return name.dropLast(now.count) + then
    }
    return nil
  }
}
