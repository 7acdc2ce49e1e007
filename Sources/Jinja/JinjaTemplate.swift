import Foundation

/// A Jinja template, as the chat templates of published models are written, run as transformers'
/// `apply_chat_template` runs it: jinja2 in a sandbox where nothing can be changed, with `trim_blocks`, `lstrip_blocks`,
/// `{% break %}`, `{% continue %}` and `{% generation %}`, with `raise_exception`, `strftime_now` and its own `tojson`.
///
///     let template = try JinjaTemplate(text, name: "chat_template.jinja")
///     let variables = JinjaTemplate.chatVariables(messages: messages, addGenerationPrompt: true)
///     let text = try template.render(variables).text
///
/// A template reads no files. Its work, its output and its depth are limited, see `JinjaOptions`. Whole numbers have 64
/// bits; where Python's would be larger, that is an error.
public struct JinjaTemplate: Sendable {
  /// What errors call the template: usually the name of its file.
  public let name: String
  private let program: Program

  /// Parses `source`. Throws `JinjaError`.
  public init(_ source: String, name: String) throws {
    self.name = name
    do {
      program = try Parser.program(source)
    } catch let failure as JinjaFailure {
      throw JinjaError(failure, in: name)
    }
  }

  /// Whether it has a `{% generation %}` block.
  public var hasGeneration: Bool { program.hasGeneration }

  /// The text with `variables`, of which a later one replaces an earlier one of the same name. Throws `JinjaError`.
  public func render(
    _ variables: [(String, JinjaValue)], options: JinjaOptions = JinjaOptions()
  ) throws -> JinjaRendering {
    let renderer = Renderer(program, options: options)
    for (id, name) in program.names.enumerated() { renderer.globals[id] = Builtins.value(name) }
    for (name, value) in variables {
      if let id = program.names.firstIndex(where: { $0.isSame(as: name) }) { renderer.globals[id] = value }
    }
    defer { renderer.takeApart() }
    do {
      program.body.hideNames(in: renderer.root, renderer)
      _ = try program.body.run(renderer.root, renderer)
    } catch let failure as JinjaFailure {
      throw JinjaError(failure, in: name)
    }
    return renderer.rendering
  }
}

/// What a template has printed.
public struct JinjaRendering: Sendable, Equatable {
  /// The text.
  public let text: String
  /// Where the texts of the `{% generation %}` blocks are, in bytes of the text's UTF-8, in the order in which the blocks
  /// ended.
  ///
  /// As in transformers, a block inside of a macro, a `set` block or a recursive loop is placed where that began to be
  /// captured: what precedes the block in there is not counted.
  public let generated: [Range<Int>]
}

extension JinjaError {
  init(_ failure: JinjaFailure, in template: String) {
    self.init(template: template, line: failure.line ?? 1, message: failure.message, kind: failure.kind)
  }
}

extension JinjaTemplate {
  /// The variables that transformers' `apply_chat_template` gives to a chat template.
  ///
  /// Without tools or documents, these variables are there and `none`. Members of a message that are `none` are left out.
  /// What a message reasons, under `reasoning_content`, `thinking` or `reasoning`, it gets under the first two of these
  /// names.
  ///
  /// - Parameter others: special tokens and arguments of one's own, such as `bos_token` and `enable_thinking`.
  public static func chatVariables(
    messages: [JinjaValue], tools: JinjaValue? = nil, documents: JinjaValue? = nil, addGenerationPrompt: Bool,
    others: [(String, JinjaValue)] = []
  ) -> [(String, JinjaValue)] {
    [
      ("messages", .elements(messages.map(prepared))), ("tools", tools ?? .none),
      ("documents", documents ?? .none), ("add_generation_prompt", .bool(addGenerationPrompt)),
    ] + others
  }

  private static func prepared(_ message: JinjaValue) -> JinjaValue {
    guard case .object(let object) = message else { return message }
    let members = zip(object.keys, object.values).filter { !$0.1.isNone }
    let reasoning = ["reasoning_content", "thinking", "reasoning"].lazy.compactMap { object[$0] }.first { !$0.isNone }
    if reasoning == nil, members.count == object.count { return message }
    var builder = JinjaObject.Builder()
    if let reasoning { builder.set(.text("thinking"), key: "thinking", value: reasoning) }
    for (key, value) in members { if let hash = HashKey(key) { builder.set(hash, key: key, value: value) } }
    if let reasoning { builder.set(.text("reasoning_content"), key: "reasoning_content", value: reasoning) }
    return .object(builder.object)
  }
}
