import Foundation
import StrictJSON
import Testing

@testable import Tasks

/// Answers found by comparing texts against those that the same template marks, for templates in the style of published
/// ones; scripts/golden/chat_templates.py makes the variants and the places of the marks, with transformers.
@Suite struct AnswerPlacesGoldenTests {
  private static let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("JinjaTests/Golden").path

  private static let table: [JSONNode] = {
    let file = "\(golden)/chat_templates.json"
    return (try? JSONParser.parse(readFile(file), file: file))?.array ?? []
  }()

  private static let conversations = (table.first?.array ?? []).map { node -> Conversation? in
    let messages = (node["messages"]?.array ?? []).map { message -> Message? in
      guard let object = message.object, let role = Message.Role(rawValue: object["role"]?.string ?? "") else {
        return nil
      }
      return Message(role, object)
    }
    // A record with another role, or with an empty answer, is refused or left out before it gets to a template.
    guard !messages.contains(nil) else { return nil }
    let conversation = Conversation(messages.compactMap(\.self), tools: node["tools"]?.value)
    let isEmpty = conversation.answers.contains {
      conversation.messages[$0].text == "" && !conversation.messages[$0].callsTools
    }
    return isEmpty || conversation.answers.isEmpty ? nil : conversation
  }

  private static let special = [("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>")].map {
    (name: $0.0, text: $0.1)
  }

  static let marked = Set(table.dropFirst().compactMap { $0.array?.first?.string }).filter {
    $0.hasSuffix(".generation.jinja")
  }.sorted()

  private static func template(_ name: String) throws -> ChatTemplate {
    try ChatTemplate(String(decoding: readFile("\(golden)/templates/\(name)"), as: UTF8.self), file: name)
  }

  @Test func theTableIsThere() { #expect(Self.marked.count >= 20 && Self.conversations.count >= 12) }

  /// Where the author's marks stand otherwise: SmolLM 3's style marks the beginning of the turn too, and marks inside of a
  /// macro are placed wrongly by transformers itself.
  private static let others = ["smollm3.generation.jinja", "generation-in-macro.generation.jinja"]

  @Test(arguments: marked)
  func answersAreThoseThatAreMarked(name: String) throws {
    let plain = try Self.template(name.replacing(".generation", with: ""))
    let ending = plain.answerEnding(special: Self.special)
    var compared = 0
    for row in Self.table.dropFirst() where row.array?.first?.string == name {
      guard let parts = row.array, parts.count > 4, let spans = parts[4].array, let number = parts[1].integer,
        let conversation = Self.conversations[number]
      else { continue }
      let place: Comment = "\(name), conversation \(number)"
      let result = Result { try plain.text(of: conversation, loss: .all, special: Self.special, ending: ending) }
      guard case .success(let found) = result else {
        // A call of a function that the template does not write leaves nothing of its turn.
        let calls = conversation.messages.contains { $0.callsTools && ($0.text ?? "").isEmpty }
        #expect(calls, place)
        continue
      }
      let bytes = Array(found.text.utf8)
      func words(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self).trimmed }
      let expected = spans.compactMap { span -> String? in
        guard let start = span.array?.first?.integer, let end = span.array?.last?.integer, start < end else {
          return nil
        }
        return words(start..<min(end, bytes.count))
      }
      // Parts of a turn that a template prints as Python prints a list have no words of their own.
      if Self.others.contains(name) || expected.contains(where: { $0.contains("{'type'") }) { continue }
      // White space at the ends is where authors' marks differ: the line end before or behind a turn.
      let answers = found.targets.map(words)
      #expect(answers == expected, "\(place): \(answers), not \(expected)")
      compared += 1
    }
    #expect(compared >= 2 || Self.others.contains(name))
  }
}
