import Diagnostics
import Foundation
import Jinja
import StrictJSON
import Testing

/// Chat templates in the style of published ones against transformers' `apply_chat_template`;
/// scripts/golden/chat_templates.py makes the table.
struct ChatTemplateTests {
  private static let table: [JSONNode] = (try? golden("chat_templates.json").array) ?? []
  private static let conversations = table.first?.array ?? []
  static let names = Set(table.dropFirst().compactMap { $0.array?.first?.string }).sorted()

  /// What jinja2 made of a template and a conversation.
  private struct Case {
    let conversation: Int
    let text: JSONNode
    /// What `add_generation_prompt` adds.
    let addition: JSONNode
    let spans: [Range<Int>]?

    init?(_ node: JSONNode) {
      guard let parts = node.array, parts.count >= 4, let number = parts[1].integer else { return nil }
      conversation = number
      text = parts[2]
      addition = parts[3]
      spans =
        parts.count < 5
        ? nil
        : parts[4].array?.compactMap { span in
          guard let start = span.array?.first?.integer, let end = span.array?.last?.integer else { return nil }
          return start..<end
        }
    }
  }

  private static let cases = Dictionary(grouping: table.dropFirst()) { $0.array?.first?.string ?? "" }

  @Test func theTableIsThere() {
    let marked = Self.names.filter { $0.hasSuffix(".generation.jinja") }
    #expect(Self.names.count - marked.count >= 45)
    #expect(marked.count >= 20)
    #expect(Self.conversations.count >= 12)
  }

  @Test(arguments: names)
  func rendersLikeTransformers(name: String) throws {
    let isMarked = name.hasSuffix(".generation.jinja")
    let template = try Self.template(name)
    #expect(template.hasGeneration == isMarked)
    let plain = isMarked ? try Self.template(name.replacingOccurrences(of: ".generation", with: "")) : template
    let cases = (Self.cases[name] ?? []).compactMap(Case.init)
    #expect(cases.count == Self.conversations.count)
    for expected in cases {
      let place: Comment = "\(name), conversation \(expected.conversation)"
      let outcome = Self.outcome(template, expected.conversation, prompt: false)
      if isMarked {
        // Marks change nothing; where they stand is told.
        for prompt in [false, true] {
          let marked = Self.outcome(template, expected.conversation, prompt: prompt)
          let bare = Self.outcome(plain, expected.conversation, prompt: prompt)
          #expect((try? marked.get().text) == (try? bare.get().text), place)
        }
        #expect((try? outcome.get().generated) == expected.spans, place)
        continue
      }
      Self.expect(outcome, expected.text, place)
      let prompted = Self.outcome(template, expected.conversation, prompt: true)
      if let addition = expected.addition.string {
        guard let text = try? outcome.get().text else { continue }
        Self.expectText(prompted, text + addition, place)
      } else {
        Self.expect(prompted, expected.addition["text"] ?? expected.addition, place)
      }
    }
  }

  private static func template(_ name: String) throws -> JinjaTemplate {
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "Golden/templates/\(name)")
    return try JinjaTemplate(String(decoding: Data(contentsOf: url), as: UTF8.self), name: name)
  }

  private static func outcome(
    _ template: JinjaTemplate, _ number: Int, prompt: Bool
  ) -> Result<JinjaRendering, any Error> {
    let conversation = conversations[number]
    var others: [(String, JinjaValue)] = [("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>")]
    if let members = conversation["others"]?.object {
      others += members.keys.map { ($0, JinjaValue(members[$0]?.value ?? .null)) }
    }
    func value(_ name: String) -> JinjaValue { conversation[name].map { JinjaValue($0.value) } ?? .none }
    let messages = conversation["messages"]?.array?.map(message) ?? []
    let variables: [(String, JinjaValue)] =
      [
        ("messages", .elements(messages)), ("tools", value("tools")), ("documents", value("documents")),
        ("add_generation_prompt", .bool(prompt)),
      ] + others
    return Result { try template.render(variables) }
  }

  /// What `apply_chat_template` makes of a message: nothing is null, and reasoning has two names.
  private static func message(_ node: JSONNode) -> JinjaValue {
    let object = node.object ?? JSONObject()
    var members = object.keys.compactMap { key in object[key].map { (key, JinjaValue($0.value)) } }
    members.removeAll { object[$0.0]?.isNull == true }
    let reasoning = ["reasoning_content", "thinking", "reasoning"].lazy.compactMap { name in
      members.first { $0.0 == name }?.1
    }.first
    if let reasoning {
      if object["thinking"] == nil { members.insert(("thinking", reasoning), at: 0) }
      members.append(("reasoning_content", reasoning))
    }
    return .members(members)
  }

  private static func expect(_ outcome: Result<JinjaRendering, any Error>, _ expected: JSONNode, _ place: Comment) {
    if let text = expected.string { return expectText(outcome, text, place) }
    if let digest = expected["sha256"]?.string {
      let bytes = (try? outcome.get().text).map { [UInt8]($0.utf8) } ?? []
      #expect(bytes.count == expected["bytes"]?.integer, place)
      var actual = Digest()
      actual.update(bytes)
      #expect(actual.text == digest, place)
      return
    }
    guard case .failure(let error) = outcome, let error = error as? JinjaError else {
      Issue.record("\(place): an error was expected, \(expected["message"]?.string ?? "")")
      return
    }
    if let message = expected["message"]?.string {
      #expect(error.message == message, place)
      #expect(error.kind == (expected["error"]?.string == "TemplateError" ? .raised : .runtime), place)
    }
  }

  private static func expectText(_ outcome: Result<JinjaRendering, any Error>, _ expected: String, _ place: Comment) {
    switch outcome {
    case .success(let rendering):
      let isSame = Array(rendering.text.utf8) == Array(expected.utf8)
      #expect(isSame, "\(place): \(rendering.text.debugDescription), not \(expected.debugDescription)")
    case .failure(let error): Issue.record("\(place): \(error)")
    }
  }
}
