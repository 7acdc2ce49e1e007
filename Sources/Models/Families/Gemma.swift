import Kernels
import StrictJSON

extension Architecture {
  /// Gemma (arXiv 2403.08295), as transformers' `GemmaModel`: LLaMA with scaled embeddings, norms that store their weight
  /// less 1, and GeGLU.
  public static let gemma = Architecture.decoder(
    modelType: "gemma", classifierClass: "GemmaForSequenceClassification",
    tokenClassifierClass: "GemmaForTokenClassification", languageModelClass: "GemmaForCausalLM",
    gguf: GGUFFamily("gemma"), tokenizerClass: "GemmaTokenizer",
    read: { config, design, fields in
      config.readGemma(
        &design, &fields, vocabulary: 256_000, hidden: 3072, layers: 28, heads: 16, keyValueHeads: 16, inner: 24_576,
        positions: 8192, activationKey: "hidden_act")
      // The first checkpoints say gelu and mean the approximation, which transformers takes.
      if config.activation == .gelu { config.activation = .geluTanh }
      design.rotary = config.readRotary(&fields)
    })
}

extension ModelConfig {
  /// What all of Gemma's generations share; the arguments are defaults.
  mutating func readGemma(
    _ design: inout DecoderDesign, _ fields: inout JSONObjectReader, vocabulary: Int, hidden: Int, layers: Int,
    heads: Int, keyValueHeads: Int, inner: Int, positions: Int, activationKey: String = "hidden_activation"
  ) {
    readDecoder(
      &fields, vocabulary: vocabulary, hidden: hidden, layers: layers, heads: heads, keyValueHeads: keyValueHeads,
      headSize: 256, inner: inner, positions: positions, activation: .geluTanh, activationKey: activationKey,
      isTied: true)
    readTokens(&fields, pad: 0, bos: 2, eos: 1)
    fields.refuse("use_bidirectional_attention")
    design.norm = .rms(offset: 1)
    (design.embeddingScale, design.roundsEmbeddingScale) = (Float(hiddenSize).squareRoot(), true)
    design.biases = .read(&fields, attention: "attention_bias")
    design.isInterleavedInGGUF = false
  }
}
