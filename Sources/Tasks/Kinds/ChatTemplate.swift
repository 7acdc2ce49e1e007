/// How a chat model was taught to see a question, of the common kinds.
package struct ChatTemplate: Sendable, Equatable {
  /// The kinds.
  package enum Kind: String, Sendable, CaseIterable {
    /// `<|im_start|>user … <|im_end|>`: SmolLM2, Qwen and many others.
    case chatML = "chatml"
    /// `[INST] … [/INST]`.
    case llama2 = "llama-2"
    /// `<|start_header_id|>user<|end_header_id|> … <|eot_id|>`.
    case llama3 = "llama-3"
  }

  /// Which kind.
  package let kind: Kind
  /// The system's text before the question, where the model was taught with one.
  package let system: String?

  /// A template; `system` is put in front of every question.
  package init(_ kind: Kind, system: String? = nil) { (self.kind, self.system) = (kind, system) }

  /// The template that a `chat_template` of tokenizer_config.json means: its kind by the tokens it writes, and for ChatML
  /// the system text it writes where a chat has none. Nil where it is none of the common kinds.
  package init?(detectedIn text: String) {
    if text.contains("<|start_header_id|>") {
      self.init(.llama3)
    } else if text.contains("<|im_start|>") {
      self.init(.chatML, system: Self.systemText(in: text))
    } else if text.contains("[INST]") {
      self.init(.llama2)
    } else {
      return nil
    }
  }

  /// What stands literally between ChatML's beginning and end of a system's turn.
  private static func systemText(in text: String) -> String? {
    // A template writes a line end as itself or as an escape.
    let text = text.replacing("\\n", with: "\n")
    guard let start = text.firstRange(of: "<|im_start|>system\n"),
      let end = text[start.upperBound...].firstRange(of: "<|im_end|>")
    else { return nil }
    let system = text[start.upperBound..<end.lowerBound]
    // Otherwise a variable is written there.
    return system.contains { "'\"{}".contains($0) } || system.isEmpty ? nil : String(system)
  }

  /// The prompt for a question, without the begin-of-text token, which the tokenizer adds.
  package func prompt(_ question: String) -> String {
    switch kind {
    case .chatML:
      (system.map { "<|im_start|>system\n\($0)<|im_end|>\n" } ?? "")
        + "<|im_start|>user\n\(question)<|im_end|>\n<|im_start|>assistant\n"
    case .llama2:
      "[INST] " + (system.map { "<<SYS>>\n\($0)\n<</SYS>>\n\n" } ?? "") + "\(question.trimmed) [/INST]"
    case .llama3:
      (system.map { "<|start_header_id|>system<|end_header_id|>\n\n\($0.trimmed)<|eot_id|>" } ?? "")
        + "<|start_header_id|>user<|end_header_id|>\n\n\(question.trimmed)<|eot_id|>"
        + "<|start_header_id|>assistant<|end_header_id|>\n\n"
    }
  }

  /// The text of an answer, without its ending.
  package func answer(_ answer: String) -> String {
    switch kind {
    case .chatML: answer
    case .llama2: " \(answer.trimmed) "
    case .llama3: answer.trimmed
    }
  }

  /// What ends an answer.
  package var ending: PromptedText.Ending {
    switch kind {
    case .chatML: .text("<|im_end|>")
    case .llama2: .endOfText
    case .llama3: .text("<|eot_id|>")
    }
  }
}

extension String {
  /// Without white space at either end.
  var trimmed: String {
    let scalars = unicodeScalars.drop { $0.properties.isWhitespace }
    let count = scalars.reversed().prefix { $0.properties.isWhitespace }.count
    return String(scalars.dropLast(count))
  }
}
