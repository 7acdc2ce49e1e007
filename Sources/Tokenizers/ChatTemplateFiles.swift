import Checkpoints
import Foundation
import StrictJSON

/// A model's chat templates as its files give them: Jinja, not yet parsed.
public struct ChatTemplateFiles: Sendable {
  /// A template with the file that it stands in.
  public struct Source: Sendable, Equatable {
    /// Jinja.
    public let text: String
    /// Names it in errors.
    public let file: String
  }

  /// The templates by name; the one that counts unless another is asked for is `default`.
  public private(set) var named: [(name: String, source: Source)] = []

  /// The usual template; nil if the model has none.
  public var usual: Source? { self["default"] }

  /// The template called `name`.
  public subscript(name: String) -> Source? { named.first { $0.name == name }?.source }

  /// Reads the templates of the model in `directory` where transformers does: `chat_template.jinja` and
  /// `additional_chat_templates/NAME.jinja`, otherwise `chat_template` of tokenizer_config.json, a text or a list of named
  /// ones. Throws where a file cannot be read or has another shape.
  ///
  /// Of a GGUF file, the templates of its metadata, unless a tokenizer.json lies beside it.
  public init(modelDirectory: String) throws {
    let place = try GGUFPlace(modelDirectory), directory = place.directory
    if let path = place.metadata {
      try addAll(of: GGUFMetadata(path: path))
      return
    }
    let files = TokenizerFiles(directory: directory), folder = "additional_chat_templates"
    if files.exists("chat_template.jinja") { try add("default", "chat_template.jinja", files) }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: files.path(folder))) ?? []
    for name in names.sorted() where name.hasSuffix(".jinja") {
      try add(String(name.dropLast(".jinja".count)), "\(folder)/\(name)", files)
    }
    guard named.isEmpty, files.exists("tokenizer_config.json"),
      let field = try files.json("tokenizer_config.json").optional("chat_template")
    else { return }
    let file = "\(files.path("tokenizer_config.json")): chat_template"
    if field.node.array == nil {
      named = [("default", Source(text: try field.string(), file: file))]
      return
    }
    for element in try field.elements() {
      let name = try element.member("name").string()
      named.append((name, Source(text: try element.member("template").string(), file: "\(file) \"\(name)\"")))
    }
  }

  private mutating func addAll(of metadata: GGUFMetadata) throws {
    let key = "tokenizer.chat_template"
    func add(_ name: String, _ key: String) throws {
      guard let text = try metadata.text(key) else { return }
      named.append((name, Source(text: text, file: "\(metadata.path): \(key)")))
    }
    try add("default", key)
    for other in metadata.keys where other.hasPrefix(key + ".") {
      try add(String(other.dropFirst(key.count + 1)), other)
    }
  }

  private mutating func add(_ name: String, _ path: String, _ files: TokenizerFiles) throws {
    guard let text = String(validating: try files.bytes(path), as: UTF8.self) else {
      throw TokenizerError.notUTF8(file: files.path(path), line: 1)
    }
    // As Python reads a text file.
    let lines = text.replacing("\r\n", with: "\n")
    named.append((name, Source(text: lines, file: files.path(path))))
  }
}
