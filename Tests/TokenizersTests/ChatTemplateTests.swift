import Foundation
import StrictJSON
import Testing
import Tokenizers

@Suite struct ChatTemplateFilesTests {
  private func templates(_ files: [String: String]) throws -> ChatTemplateFiles {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("chat-\(UUID())")
    defer { try? FileManager.default.removeItem(at: directory) }
    for (name, text) in files {
      let file = directory.appendingPathComponent(name)
      try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file)
    }
    return try ChatTemplateFiles(modelDirectory: directory.path)
  }

  @Test func areFoundWhereTheyStand() throws {
    let config = "tokenizer_config.json"
    let plain = try templates([config: #"{"chat_template": "{{ x }}\n"}"#])
    #expect(plain.usual?.text == "{{ x }}\n")
    #expect(plain.usual?.file.hasSuffix("/tokenizer_config.json: chat_template") == true)
    let several = #"{"chat_template": [{"name": "tool_use", "template": "a"}, {"name": "default", "template": "b"}]}"#
    let named = try templates([config: several])
    #expect(named.usual?.text == "b" && named["tool_use"]?.text == "a" && named["rag"] == nil)
    let file = try templates([config: several, "chat_template.jinja": "one\ntwo\r\n"])
    #expect(file.usual?.text == "one\ntwo\n" && file["tool_use"] == nil)
    let folder = try templates([
      "chat_template.jinja": "one", "additional_chat_templates/rag.jinja": "two",
      "additional_chat_templates/a.txt": "no",
    ])
    #expect(folder.usual?.text == "one" && folder["rag"]?.text == "two" && folder.named.count == 2)
    #expect(folder["rag"]?.file.hasSuffix("/additional_chat_templates/rag.jinja") == true)
    #expect(try templates([config: "{}"]).usual == nil)
    #expect(try templates([:]).usual == nil)
    #expect(throws: JSONFieldError.self) { try templates([config: #"{"chat_template": 7}"#]) }
    #expect(throws: JSONFieldError.self) { try templates([config: #"{"chat_template": [{"name": "a"}]}"#]) }
  }
}
