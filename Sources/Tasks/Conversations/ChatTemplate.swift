import Diagnostics
import Foundation
import Jinja
import StrictJSON
import Tokenizers

/// How conversations become the text that a model reads: a Jinja template, run as transformers' `apply_chat_template` runs
/// it.
package struct ChatTemplate: Sendable {
  /// Our own templates, which a config names. The token that a tokenizer puts in front of any text stands in front of
  /// theirs too, and turns are tokenized one by one.
  package enum Own: String, Sendable, CaseIterable {
    /// Stanford Alpaca's text.
    case alpaca
    /// `<|im_start|>user … <|im_end|>`: SmolLM2, Qwen and many others.
    case chatML = "chatml"
    /// `[INST] … [/INST]`.
    case llama2 = "llama-2"
    /// `<|start_header_id|>user<|end_header_id|> … <|eot_id|>`.
    case llama3 = "llama-3"
    /// A prompt and its completion, with nothing around them.
    case completion

    fileprivate var source: [UInt8] {
      switch self {
      case .alpaca: PackageResources.alpaca_jinja
      case .chatML: PackageResources.chatml_jinja
      case .llama2: PackageResources.llama_2_jinja
      case .llama3: PackageResources.llama_3_jinja
      case .completion: PackageResources.completion_jinja
      }
    }

    /// Whether the model's end-of-text token follows every answer.
    var endsWithEndOfText: Bool { self == .alpaca || self == .llama2 || self == .completion }
  }

  /// Which of ours it is; nil for a model's or a file's.
  let own: Own?
  /// Names it for people.
  package let name: String
  /// The Jinja of a file of one's own, which a run keeps; nil for others.
  private(set) var keptSource: String?
  private let jinja: JinjaTemplate
  private let options: JinjaOptions

  /// One of ours.
  package init(_ own: Own, options: JinjaOptions = JinjaOptions()) throws {
    (self.own, name, self.options) = (own, own.rawValue, options)
    jinja = try JinjaTemplate(String(decoding: own.source, as: UTF8.self), name: own.rawValue)
  }

  /// A template of a model's files, or of a file of one's own. Throws where it is no Jinja.
  package init(_ source: String, file: String, options: JinjaOptions = JinjaOptions()) throws {
    (own, name, self.options) = (nil, file, options)
    jinja = try JinjaTemplate(source, name: file)
  }

  /// The same, to be kept by the run: a file of one's own may be gone when the run is used.
  func kept(_ source: String) -> ChatTemplate {
    var template = self
    template.keptSource = source
    return template
  }

  /// Whether it marks what the assistant writes (`{% generation %}`).
  var marksAnswers: Bool { jinja.hasGeneration }

  /// A rendering: the text, and the parts of it that the template marks as the assistant's, in bytes.
  struct Rendering {
    let text: String
    let marked: [Range<Int>]
  }

  /// The text of the turns `range` of a conversation, with the beginning of the assistant's next turn if `answering`.
  /// `special` are the tokenizer's special tokens by name. Throws what the template says.
  func render(
    _ conversation: Conversation, _ range: Range<Int>? = nil, answering: Bool = false,
    special: [(name: String, text: String)]
  ) throws -> Rendering {
    if let own, conversation.tools != nil || !conversation.variables.isEmpty {
      throw UnknownContent(template: own.rawValue)
    }
    let messages = try conversation.messages[range ?? conversation.messages.indices].map(form)
    var variables: [(String, JinjaValue)] = special.map { ($0.name, .string($0.text)) }
    variables += conversation.variables.map { ($0.name, JinjaValue($0.value)) }
    variables += [
      ("messages", JinjaValue(.list(messages))), ("tools", conversation.tools.map { JinjaValue($0) } ?? .none),
      ("documents", .none), ("add_generation_prompt", .bool(answering)),
    ]
    let result = try jinja.render(variables, options: options)
    return Rendering(text: result.text, marked: result.generated)
  }

  /// What the template sees of a turn. Ours take texts alone.
  private func form(_ message: Message) throws -> JSONValue {
    guard let own else { return .object(message.members) }
    guard let text = message.text, !message.callsTools else { throw UnknownContent(template: own.rawValue) }
    var members: [(String, JSONValue)] = [("role", .string(message.role.rawValue)), ("content", .string(text))]
    if let parts = message.parts {
      members += [("instruction", .string(parts.instruction)), ("input", .string(parts.input))]
    }
    return .members(members)
  }
}

/// A turn that is not a text, or functions to call, for a template that knows nothing but texts.
private struct UnknownContent: UserFacingError {
  let template: String
  var description: String {
    "the template \(template) takes texts alone: no tools, no calls of them, no images, no chat_template_kwargs"
  }
  var exitStatus: ExitStatus { .badInput }
}
