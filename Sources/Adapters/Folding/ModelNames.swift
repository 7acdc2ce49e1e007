import Checkpoints

/// What transformers calls a task model and its tensors, so that its Auto classes find every one.
struct ModelNames {
  let family: ModelFamily
  /// What stands before the base model's tensors: `bert.`.
  let prefix: String

  init(_ geometry: ModelGeometry) {
    family = geometry.config.family
    prefix = geometry.basePrefix + "."
  }

  /// The beginnings of the base model's own tensors, without `prefix`. RoBERTa's classifier has no pooler.
  private var roots: [String] {
    switch family {
    case .bert: ["embeddings.", "encoder.", "pooler."]
    case .roberta: ["embeddings.", "encoder."]
    case .gpt2: ["wte.", "wpe.", "h.", "ln_f."]
    case .llama: ["embed_tokens.", "layers.", "norm."]
    }
  }

  /// Constants that old checkpoints store beside the weights.
  private static let buffers = [
    ".position_ids", ".token_type_ids", ".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq",
  ]

  /// The base model's own name of what a checkpoint calls `stored`; nil for what is not of the base model.
  func path(of stored: String) -> String? {
    var path = stored.hasPrefix(prefix) ? String(stored.dropFirst(prefix.count)) : stored
    guard roots.contains(where: path.hasPrefix), !Self.buffers.contains(where: path.hasSuffix) else { return nil }
    for (old, new) in [("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias")]
    where path.hasSuffix(old) {
      path = path.dropLast(old.count) + new
    }
    return path
  }

  /// The names of a classification head's tensors. The first gives the number of outputs.
  var head: [String] {
    switch family {
    case .bert: ["classifier.weight", "classifier.bias"]
    case .roberta:
      ["classifier.out_proj.weight", "classifier.out_proj.bias", "classifier.dense.weight", "classifier.dense.bias"]
    case .gpt2, .llama: ["score.weight"]
    }
  }

  /// The class of transformers for a classifier, or for a language model.
  func architecture(isClassifier: Bool) -> String {
    switch family {
    case .bert: "BertForSequenceClassification"
    case .roberta: "RobertaForSequenceClassification"
    case .gpt2: isClassifier ? "GPT2ForSequenceClassification" : "GPT2LMHeadModel"
    case .llama: isClassifier ? "LlamaForSequenceClassification" : "LlamaForCausalLM"
    }
  }

  /// A small tensor that every checkpoint of the family has, for its type, and tensors without which none is whole.
  var essential: [String] {
    switch family {
    case .bert:
      [
        "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight",
        "embeddings.token_type_embeddings.weight", "embeddings.LayerNorm.weight", "embeddings.LayerNorm.bias",
        "pooler.dense.weight", "pooler.dense.bias",
      ]
    case .roberta:
      [
        "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight",
        "embeddings.token_type_embeddings.weight", "embeddings.LayerNorm.weight", "embeddings.LayerNorm.bias",
      ]
    case .gpt2: ["wte.weight", "wpe.weight", "ln_f.weight", "ln_f.bias"]
    case .llama: ["embed_tokens.weight", "norm.weight"]
    }
  }
}
