import StrictJSON

/// How texts are split into words before byte pairs are joined. A GGUF file only names it (`tokenizer.ggml.pre`).
struct WordRule {
  let names: [String]
  /// Pre-tokenizers before that of bytes, as JSON.
  var before: [String] = []
  /// Whether bytes are split into words as GPT-2's are.
  var splitsWords = false
  var normalizer: String?
  /// Whether a word of the vocabulary is one token whatever the merges say.
  var ignoresMerges = false
  /// Whether a text begins with the begin token if the file does not say.
  var hasBegin = false

  static let all: [WordRule] = [
    WordRule(names: ["gpt-2", "phi-2"], splitsWords: true),
    WordRule(
      names: ["smollm", "starcoder", "refact", "command-r"],
      before: [#"{"type": "Digits", "individual_digits": true}"#], splitsWords: true),
    WordRule(
      names: ["llama-bpe", "llama3", "llama-v3", "falcon3"], before: [split(words(digits: "{1,3}"))],
      ignoresMerges: true, hasBegin: true),
    WordRule(names: ["dbrx", "smaug-bpe"], before: [split(words(digits: "{1,3}"))]),
    WordRule(
      names: ["qwen2", "deepseek-r1-qwen"], before: [split(words(digits: ""))], normalizer: #"{"type": "NFC"}"#),
    WordRule(names: ["gpt-4o"], before: [split(cased(suffix: "\(contractions)?", digits: "{1,3}"))]),
    WordRule(names: ["tekken"], before: [split(cased(suffix: "", digits: ""))], ignoresMerges: true),
  ]

  private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
  private static let rest = #"\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"#

  /// The expression of GPT-4 and its followers, escaped for JSON.
  private static func words(digits: String) -> String {
    contractions + #"|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"# + digits + #"| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"# + rest
  }

  /// That of GPT-4o, which parts words before capitals.
  private static func cased(suffix: String, digits: String) -> String {
    let lead = #"[^\\r\\n\\p{L}\\p{N}]?"#
    let upper = #"[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"#, lower = #"[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"#
    return "\(lead)\(upper)*\(lower)+\(suffix)|\(lead)\(upper)+\(lower)*\(suffix)|"
      + #"\\p{N}"# + digits + #"| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|"# + rest
  }

  private static func split(_ expression: String) -> String {
    #"{"type": "Split", "pattern": {"Regex": "\#(expression)"}, "behavior": "Isolated", "invert": false}"#
  }
}

extension WordRule {
  /// The name of the rule that splits as `preTokenizer` does; nil if there is none.
  static func name(of preTokenizer: PreTokenizer) -> String? {
    let wanted = preTokenizer.signature
    return all.first { rule in
      (try? rule.preTokenizer(addsPrefixSpace: false, file: ""))?.signature == wanted
    }?.names.first
  }

  /// Splits and spells bytes as letters. `file` names the model in errors.
  func preTokenizer(addsPrefixSpace: Bool, file: String) throws -> PreTokenizer {
    let bytes =
      #"{"type": "ByteLevel", "add_prefix_space": \#(addsPrefixSpace), "trim_offsets": true, "use_regex": "#
      + #"\#(splitsWords)}"#
    let json = TokenizerClass.sequence("pretokenizers", before + [bytes])
    return try PreTokenizer(JSONField(parsing: Array(json.utf8), file: file))
  }
}

extension PreTokenizer {
  /// The same for pre-tokenizers that split texts alike.
  fileprivate var signature: String {
    switch self {
    case .sequence(let steps): steps.map(\.signature).joined(separator: " ")
    case .byteLevel(let bytes): bytes.splitsWords ? "words bytes" : "bytes"
    case .split(let split):
      if case .expression(let expression) = split.pattern {
        "\(expression.source) \(split.behavior) \(split.isInverted)"
      } else {
        "\(split.pattern) \(split.behavior) \(split.isInverted)"
      }
    default: "\(self)"
    }
  }
}
