import StrictJSON

extension Architecture {
  /// Gemma 3 (arXiv 2503.19786) for text and images, as transformers' `Gemma3ForConditionalGeneration`: of it the text
  /// model alone, which `text_config` describes.
  public static let gemma3 = Architecture.decoder(
    modelType: "gemma3", basePrefix: "model.language_model", olderPrefixes: ["language_model.model", "language_model"],
    otherModules: ["vision_tower", "multi_modal_projector"], classifierClass: "Gemma3ForSequenceClassification",
    languageModelClass: "Gemma3ForConditionalGeneration", gguf: .adapters("gemma3"), tokenizerClass: "GemmaTokenizer",
    read: { config, design, fields in
      guard let field = fields.required("text_config", { $0 }) else { return }
      var text = JSONObjectReader(field)
      config.readGemma3(&design, &text)
      fields.add(text.errors)
      // transformers looks for it outside alone, whatever the text model's says.
      config.tieWordEmbeddings = fields.bool("tie_word_embeddings", true)
      // Older configs have the special tokens outside.
      config.readTokens(&fields, pad: config.padTokenID, bos: config.bosTokenID, eos: config.eosTokenIDs)
      config.notices.append("of \(config.file) the text model is used; images, and their part of the model, are not")
    })
}
