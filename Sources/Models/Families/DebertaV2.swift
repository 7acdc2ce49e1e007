import Diagnostics
import StrictJSON

extension Architecture {
  /// DeBERTa v2 and v3 (He et al., arXiv 2006.03654 and 2111.09543), as transformers' `DebertaV2ForSequenceClassification`:
  /// BERT's encoder with disentangled attention.
  public static let debertaV2 = Architecture.encoder(
    modelType: "deberta-v2", basePrefix: "deberta", classifierClass: "DebertaV2ForSequenceClassification",
    tokenClassifierClass: "DebertaV2ForTokenClassification",
    defaultTargets: ["query_proj", "value_proj"], tokenizerClass: "DebertaV2Tokenizer",
    read: { config, design, fields in config.readDeberta(&fields, &design) })
}

extension ModelConfig {
  /// transformers 5.23, configuration_deberta_v2.py; what that leaves to `getattr` in the model has the default there.
  fileprivate mutating func readDeberta(_ fields: inout JSONObjectReader, _ design: inout EncoderDesign) {
    readEncoder(
      &fields, vocabulary: 128_100, hidden: 1536, layers: 24, heads: 24, inner: 6144, types: 0, epsilon: 1e-7, pad: 0,
      bos: nil, eos: nil)
    design.layer.query = "attention.self.query_proj"
    design.layer.key = "attention.self.key_proj"
    design.layer.value = "attention.self.value_proj"
    if typeVocabularySize == 0 { design.types = nil }
    if !fields.bool("position_biased_input", true) { design.positions = nil }
    let width = fields.optional("embedding_size") { try $0.integer(in: Bounds.width) } ?? hiddenSize
    design.embeddingSize = width
    if width != hiddenSize {
      design.projection = .init(path: "embeddings.embed_proj", hasBias: false, isBeforeNorm: true)
    }
    if fields.bool("relative_attention", false) {
      design.relative = .disentangled(readDisentangled(&fields))
    } else {
      // In transformers these change scores or the list of weights all the same.
      for key in ["pos_att_type", "norm_rel_ebd"] {
        guard let node = fields[key]?.node, !node.isNull, node.string != "none", node.array?.isEmpty != true else {
          continue
        }
        fields.report(key, "needs relative_attention to be true")
      }
    }
    let size = fields.optional("attention_head_size") { try $0.integer(in: Bounds.headWidth) } ?? headSize
    if size != headSize { fields.reportUnsupported("attention_head_size", "\(size)", supported: "\(headSize)") }
    let kernel = fields.integer("conv_kernel_size", 0, in: 0...Bounds.width.upperBound)
    if kernel > 0, kernel % 2 == 0 {
      fields.report("conv_kernel_size", .wrongValue(expected: "an odd number, or 0", found: "\(kernel)"))
    }
    let conv = readActivation(named: "conv_act", .tanh, &fields)
    if kernel > 0 {
      design.convolution = .init(
        path: "encoder.conv.conv", norm: "encoder.conv.LayerNorm", distance: kernel / 2, activation: conv)
      let groups = fields.integer("conv_groups", 1, in: Bounds.width)
      if groups != 1 { fields.reportUnsupported("conv_groups", "\(groups)", supported: "1") }
    }
    let pooled = fields.optional("pooler_hidden_size") { try $0.integer(in: Bounds.width) } ?? hiddenSize
    if pooled != hiddenSize { fields.reportUnsupported("pooler_hidden_size", "\(pooled)", supported: "\(hiddenSize)") }
    let poolerActivation = readActivation(named: "pooler_hidden_act", .gelu, &fields)
    design.tokenDropout = hiddenDropout
    design.head = .dense(
      "pooler.dense", poolerActivation, then: "classifier", inputDropout: fields.optionalDropout("pooler_dropout"),
      dropout: fields.optionalDropout("cls_dropout") ?? hiddenDropout)
  }

  private func readDisentangled(_ fields: inout JSONObjectReader) -> DisentangledDesign {
    let types = fields.optional("pos_att_type") { field in
      let list = try field.node.string.map { $0.lowercased().split(separator: "|").map(String.init) } ?? field.strings()
      let names = list.map { $0.filter { !$0.isWhitespace } }
      guard let unknown = names.first(where: { !["c2p", "p2c"].contains($0) }) else { return names }
      throw field.error("\(JSONWriter.quoted(unknown.clipped)) is not supported; supported: c2p, p2c")
    }
    let positions = fields.integer("max_relative_positions", -1, in: -1...Bounds.positions.upperBound)
    let farthest = positions < 1 ? maxPositions : positions
    let buckets = fields.integer("position_buckets", -1, in: -1...Bounds.positions.upperBound)
    let norms = fields.optional("norm_rel_ebd") { field in
      let names = try field.string().lowercased().split(separator: "|").map { $0.filter { !$0.isWhitespace } }
      guard let unknown = names.first(where: { !["none", "layer_norm"].contains($0) }) else { return names }
      throw field.error("\(JSONWriter.quoted(unknown.clipped)) is not supported; supported: none, layer_norm")
    }
    let shares = fields.bool("share_att_key", false)
    if buckets > 0, buckets < 4 || farthest - 1 <= buckets / 2 {
      fields.report(
        "position_buckets", .wrongValue(expected: "4 to below \(2 * (farthest - 1))", found: "\(buckets)"))
    }
    return DisentangledDesign(
      norm: norms?.contains("layer_norm") == true ? "encoder.LayerNorm" : nil, span: buckets > 0 ? buckets : farthest,
      farthest: buckets > 0 ? farthest : nil, hasKeys: types?.contains("c2p") ?? false,
      hasQueries: types?.contains("p2c") ?? false, keyMap: shares ? nil : "attention.self.pos_key_proj",
      queryMap: shares ? nil : "attention.self.pos_query_proj")
  }
}
