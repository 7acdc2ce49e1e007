extension Tokenizer {
  /// The model's chat template, or nil if its directory has none: `chat_template.jinja`, otherwise `chat_template` of
  /// tokenizer_config.json (if there are several, the one named `default`).
  public static func chatTemplate(modelDirectory: String) throws -> String? {
    let files = TokenizerFiles(directory: modelDirectory)
    if files.exists("chat_template.jinja") { return try files.lines("chat_template.jinja").joined(separator: "\n") }
    guard files.exists("tokenizer_config.json"),
      let field = try files.json("tokenizer_config.json").optional("chat_template")
    else { return nil }
    if field.node.array == nil { return try field.string() }
    let named = try field.elements().map { (try $0.member("name").string(), try $0.member("template").string()) }
    return named.first { $0.0 == "default" }?.1
  }
}
