import Foundation

/// A Jinja template, as the chat templates of published models are written, run as transformers'
/// `apply_chat_template` runs it: jinja2 in a sandbox where nothing can be changed, with `trim_blocks`, `lstrip_blocks`,
/// `{% break %}`, `{% continue %}` and `{% generation %}`, with `raise_exception`, `strftime_now` and its own `tojson`.
///
///     let template = try JinjaTemplate(text, name: "chat_template.jinja")
///     let prompt = try template.render([("messages", messages), ("tools", .none), ("add_generation_prompt", true)]).text
///
/// transformers leaves members of a message that are null out, gives its reasoning under two names, and defines `tools`
/// and `documents` as none where there are none; all this is up to the caller.
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
