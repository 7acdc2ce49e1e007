import Tokenizers

extension FuzzTarget {
  /// tokenizer.json, tokenizer_config.json (if any) and a text.
  static let tokenizerJSON = FuzzTarget(name: "tokenizer-json") { input, directory in
    let parts = parts(input)
    var files = ["tokenizer.json": parts[0]]
    if let config = parts[optional: 1], !config.isEmpty { files["tokenizer_config.json"] = config }
    try directory.fill(files)
    try encode(parts[optional: 2] ?? parts[0], with: Tokenizer(modelDirectory: directory.path, modelType: "bert"))
  }

  /// vocab.txt or else vocab.json and merges.txt, tokenizer_config.json (if any) and a text.
  static let tokenizerFiles = FuzzTarget(name: "tokenizer-files") { input, directory in
    let parts = parts(input)
    var files = ["vocab.txt": parts[0]]
    if parts[0].first == UInt8(ascii: "{") { files = ["vocab.json": parts[0], "merges.txt": parts[optional: 3] ?? []] }
    if let config = parts[optional: 1], !config.isEmpty { files["tokenizer_config.json"] = config }
    try directory.fill(files)
    try encode(parts[optional: 2] ?? parts[0], with: Tokenizer(modelDirectory: directory.path, modelType: "roberta"))
  }

  private static func encode(_ bytes: [UInt8], with tokenizer: Tokenizer) throws {
    let text = String(decoding: bytes.prefix(400), as: UTF8.self)
    let whole = tokenizer.encode(text, pair: text), cut = tokenizer.encode(text, maxLength: 8)
    guard whole.ids.count == whole.typeIDs.count, cut.ids.count == cut.typeIDs.count,
      (whole.ids + cut.ids).allSatisfy({ $0 >= 0 && $0 < tokenizer.vocabularySize })
    else { throw FuzzFinding(problem: "ids beyond the vocabulary, or lists of different lengths") }
    _ = tokenizer.tokens(of: cut)
  }
}
