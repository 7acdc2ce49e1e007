/// The spellings under which a checkpoint may hold the tensor that a model asks for.
///
/// As in transformers, a base model's tensors may carry the name under which a task model holds the base model
/// (`bert.embeddings…` for `embeddings…`) or lack it, and BERT's oldest checkpoints call the weight and bias of a
/// LayerNorm gamma and beta.
enum TensorNames {
  /// What task models call their base model, for bert, roberta, gpt2 and llama.
  static let prefixes = ["bert.", "roberta.", "transformer.", "model."]

  /// Every spelling of `name`, the likeliest first; `name` itself is the first.
  static func spellings(of name: String) -> [String] {
    let prefix = prefixes.first { name.hasPrefix($0) }
    let base = prefix.map { String(name.dropFirst($0.count)) } ?? name
    var spellings = [name]
    if prefix == nil { spellings += prefixes.map { $0 + base } } else { spellings.append(base) }
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
