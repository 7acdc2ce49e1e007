import StrictJSON
import Testing

@testable import Tasks

/// Conversations to be answered, as `generate --messages` reads them.
@Suite struct ConversationPromptTests {
  private func texts(_ json: String, _ format: FileFormat? = nil, name: String? = nil) throws -> [[String?]] {
    try PredictionInput(bytes: Array(json.utf8), name: "stdin").conversations(format: format).map { conversation in
      conversation.messages.map { "\($0.role.rawValue) \($0.text ?? "")" }
    }
  }

  @Test func oneConversationIsAListOfTurns() throws {
    let turns = #"[{"role": "system", "content": "s"}, {"role": "user", "content": "é\nb"}]"#
    #expect(try texts(turns) == [["system s", "user é\nb"]])
    #expect(try texts("\u{FEFF} " + turns) == [["system s", "user é\nb"]])
    #expect(try texts(turns, .json) == [["system s", "user é\nb"]])
    #expect(try texts(#"[{"from": "human", "value": "a"}]"#) == [["user a"]])
  }

  @Test func recordsAreSeveral() throws {
    let one = #"{"messages": [{"role": "user", "content": "a"}]}"#
    let two =
      #"{"messages": [{"role": "user", "content": "b"}, {"role": "assistant", "content": "c"}, "#
      + #"{"role": "user", "content": "d"}]}"#
    let expected = [["user a"], ["user b", "assistant c", "user d"]]
    #expect(try texts(one + "\n" + two) == expected)
    #expect(try texts("[\(one),\(two)]") == expected)
    #expect(try texts(#"{"prompt": "a", "completion": "z"}"#) == [["user a"]])
    #expect(try texts(#"{"prompt": [{"role": "user", "content": "a"}]}"#) == [["user a"]])
    #expect(
      try texts(#"{"instruction": "a", "input": "b", "system": "s", "history": [["c", "d"]]}"#)
        == [["system s", "user c", "assistant d", "user a\n\nb"]])
    #expect(try texts("prompt,completion\na,b\n", .csv) == [["user a"]])
    #expect(try texts(#"{"system": "s", "messages": [{"role": "user", "content": "a"}]}"#) == [["system s", "user a"]])
    #expect(
      try texts(#"{"system": "s", "conversations": [{"from": "human", "value": "a"}]}"#) == [["system s", "user a"]])
  }

  @Test(arguments: [
    (
      #"[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]"#,
      "stdin:1: the conversation ends with the assistant's turn, and that is what is to be written"
    ),
    (#"{"messages": []}"#, "stdin:1: messages is empty"),
    (
      "[\n{\"role\": \"robot\", \"content\": \"a\"}]",
      #"stdin:2: messages[0].role must be one of "system", "user", "assistant", "tool", not "robot""#
    ),
    (#"[{"role": "user"}]"#, "stdin:1: messages[0].content is missing"),
    (
      #"{"messages": [{"role": "user", "content": "a"}]}"# + "\n{\"text\": \"a\"}",
      "stdin:2: has no messages, but the file begins with conversations (messages)"
    ),
  ]) func refusals(json: String, expected: String) {
    #expect(message { _ = try texts(json) } == expected)
  }

  @Test func otherFormatsAreRefused() {
    #expect(
      message { _ = try texts("a", .text) }
        == "task.file_format: conversations are JSON, JSONL, CSV or TSV, not text")
  }

  @Test func theSystemIsPutInFront() throws {
    let conversation = Conversation([Message(.user, "a")])
    #expect(try conversation.instructed("s", file: "f").messages == [Message(.system, "s"), Message(.user, "a")])
    let twice = try conversation.instructed("s", file: "f")
    #expect(
      message { _ = try twice.instructed("t", file: "f") }
        == "f:1: the conversation has a turn of the system already, so that --system is one too many")
    #expect(JSONWriter.text(conversation.json, pretty: false) == #"[{"role":"user","content":"a"}]"#)
  }
}
