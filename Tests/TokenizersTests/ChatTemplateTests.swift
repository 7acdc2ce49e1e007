import Foundation
import StrictJSON
import Testing
import Tokenizers

@Suite struct ChatTemplateTests {
  private func template(_ files: [String: String]) throws -> String? {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("chat-\(UUID())")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    for (name, text) in files { try Data(text.utf8).write(to: directory.appendingPathComponent(name)) }
    return try Tokenizer.chatTemplate(modelDirectory: directory.path)
  }

  @Test func isFoundWhereItStands() throws {
    let config = "tokenizer_config.json"
    let plain = try template([config: #"{"chat_template": "{{ x }}\n"}"#])
    #expect(plain == "{{ x }}\n")
    let several = #"{"chat_template": [{"name": "tool", "template": "a"}, {"name": "default", "template": "b"}]}"#
    #expect(try template([config: several]) == "b")
    #expect(try template([config: several, "chat_template.jinja": "one\ntwo"]) == "one\ntwo")
    #expect(try template([config: "{}"]) == nil)
    #expect(try template([:]) == nil)
    #expect(throws: JSONFieldError.self) { try template([config: #"{"chat_template": 7}"#]) }
  }
}
