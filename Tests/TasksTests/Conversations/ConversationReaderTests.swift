import Foundation
import Testing

@testable import Tasks

/// Reads JSONL lines as a file of conversations.
func conversations(_ lines: String, file: String = "d.jsonl", format: FileFormat = .jsonl) throws -> ConversationFile {
  try ConversationFile(Table(bytes: Array(lines.utf8), file: file, format: format))
}

@Suite struct ConversationReaderTests {
  @Test func messages() throws {
    let file = try conversations(
      #"""
      {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi", "name": null}, {"role": "assistant", "content": "Yes?"}], "id": 7}
      {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, {"role": "assistant", "tool_calls": [{"name": "f"}]}, {"role": "tool", "content": "3"}, {"role": "assistant", "content": "3"}], "tools": [{"name": "f"}]}
      """#)
    #expect(file.layout == .messages && file.skipped.isEmpty)
    let first = file.conversations[0], second = file.conversations[1]
    #expect(first.messages == [Message(.system, "Be brief."), Message(.user, "Hi"), Message(.assistant, "Yes?")])
    #expect(first.line == 1 && first.tools == nil && first.answers == [2])
    #expect(second.messages[0].text == "ab" && second.messages[1].callsTools && second.messages[1].text == nil)
    #expect(second.answers == [1, 3] && second.tools != nil)
  }

  @Test func columnsOfTables() throws {
    let file = try conversations(
      "instruction,output,system,history\na,b,s,\"[[\"\"c\"\",\"\"d\"\"]]\"\n", file: "d.csv", format: .csv)
    #expect(file.conversations[0].messages.map(\.text) == ["s", "c", "d", "a", "b"])
    let prompts = try conversations("prompt,completion,system\na,b,5\n", file: "d.csv", format: .csv)
    #expect(
      prompts.conversations[0].messages.map(\.text) == ["5", "a", "b"] && prompts.conversations[0].answers == [2])
    #expect(
      message { _ = try conversations("instruction,output,tools\na,b,x\n", file: "d.csv", format: .csv) }
        == "d.csv:2: tools must be a list, or one as JSON")
  }

  @Test func aSystemBesideTheTurns() throws {
    let file = try conversations(
      #"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "system": "s"}"#)
    #expect(file.conversations[0].messages.map(\.role) == [.system, .user, .assistant])
  }

  /// As transformers hands it to templates.
  @Test func reasoning() throws {
    let file = try conversations(
      #"""
      {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "reasoning": "b", "content": "c", "name": null}]}
      """#)
    let members = file.conversations[0].messages[1].members
    #expect(members.keys == ["thinking", "role", "reasoning", "content", "reasoning_content"])
    #expect(members["thinking"]?.string == "b" && members["reasoning_content"]?.string == "b")
  }

  @Test func shareGPT() throws {
    let file = try conversations(
      #"""
      {"conversations": [{"from": "human", "value": "Hi", "weight": 1}, {"from": "gpt", "value": "Yes?"}], "system": "S"}
      {"conversations": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "No."}]}
      """#)
    #expect(file.layout == .shareGPT)
    let messages = file.conversations[0].messages
    #expect(messages.map(\.role) == [.system, .user, .assistant] && messages.map(\.text) == ["S", "Hi", "Yes?"])
    // What a template does not expect is left out, or kept as it stands.
    #expect(messages[1].members.keys == ["weight", "role", "content"])
    #expect(file.conversations[1].messages == [Message(.user, "Hi"), Message(.assistant, "No.")])
  }

  @Test func completions() throws {
    let texts = try conversations(#"{"prompt": "2+2=", "completion": "4"}"#)
    #expect(texts.layout == .completions)
    #expect(texts.conversations[0].messages == [Message(.user, "2+2="), Message(.assistant, "4")])
    let turns = try conversations(
      #"""
      {"prompt": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}], "completion": [{"role": "assistant", "content": "d"}]}
      """#)
    #expect(turns.layout == .turns && turns.conversations[0].answers == [3])
    let table = try conversations("prompt,completion\na,b\n", file: "d.csv", format: .csv)
    #expect(table.layout == .completions && table.conversations[0].messages.map(\.text) == ["a", "b"])
  }

  @Test func instructions() throws {
    let file = try conversations(
      #"""
      {"system": "You are a pirate.", "history": [["hi", "arr"]], "instruction": "say a", "input": "b", "output": "yes"}
      {"instruction": "", "output": "x"}
      {"instruction": "x", "input": null, "output": " "}
      {"instruction": "x", "output": "y"}
      """#)
    #expect(file.layout == .instructions)
    let messages = file.conversations[0].messages
    #expect(messages.map(\.text) == ["You are a pirate.", "hi", "arr", "say a\n\nb", "yes"])
    #expect(messages[3].parts?.instruction == "say a" && messages[3].parts?.input == "b")
    #expect(file.conversations[1].messages.map(\.text) == ["x", "y"])
    #expect(
      file.skipped == [
        "d.jsonl: left out 1 record with an empty instruction (line 2)",
        "d.jsonl: left out 1 record with an empty output (line 3)",
      ])
  }

  @Test func whatCannotBeLearnt() throws {
    let file = try conversations(
      #"""
      {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
      {"messages": [{"role": "user", "content": "a"}]}
      {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": ""}]}
      """#)
    #expect(file.conversations.count == 1)
    #expect(
      file.skipped == [
        "d.jsonl: left out 1 record with no turn of the assistant (line 2)",
        "d.jsonl: left out 1 record with an empty turn of the assistant (line 3)",
      ])
  }

  private static let ok = #"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#

  @Test(arguments: [
    (
      #"{"text": "a"}"#,
      "d.jsonl:1: no conversation: a record has messages, conversations (ShareGPT), prompt and completion, or instruction and output"
    ),
    (
      ok + "\n" + #"{"instruction": "a", "output": "b"}"#,
      "d.jsonl:2: has the layout of instructions, but the file begins with conversations (messages)"
    ),
    (ok + "\n{}", "d.jsonl:2: has no messages, but the file begins with conversations (messages)"),
    (#"{"messages": []}"#, "d.jsonl:1: messages is empty"),
    (#"{"messages": "a"}"#, "d.jsonl:1: messages must be a list of turns, not a string"),
    (#"{"messages": ["a"]}"#, "d.jsonl:1: messages[0] must be an object, not a string"),
    (
      #"{"messages": [{"role": "bot", "content": "a"}]}"#,
      #"d.jsonl:1: messages[0].role must be one of "system", "user", "assistant", "tool", not "bot""#
    ),
    (#"{"messages": [{"role": "user", "content": "a"}, {"content": "a"}]}"#, "d.jsonl:1: messages[1].role is missing"),
    (#"{"messages": [{"role": "assistant"}]}"#, "d.jsonl:1: messages[0].content is missing"),
    (#"{"messages": [{"role": "assistant", "content": null}]}"#, "d.jsonl:1: messages[0].content is missing"),
    (
      #"{"messages": [{"role": "user", "content": 3}]}"#,
      "d.jsonl:1: messages[0].content must be a text or a list of parts, not a whole number"
    ),
    (
      #"{"conversations": [{"from": "robot", "value": "a"}]}"#,
      #"d.jsonl:1: conversations[0].from must be one of "system", "human", "user", "gpt", "chatgpt", "assistant", "#
        + #""model", "bot", "function_call", "tool", "function", "observation", not "robot""#
    ),
    (#"{"conversations": [{"from": "human"}]}"#, "d.jsonl:1: conversations[0].value is missing"),
    (
      #"{"conversations": [{"from": "system", "value": "a"}], "system": "b"}"#,
      "d.jsonl:1: system: the conversation has a turn of the system already"
    ),
    (#"{"prompt": "a"}"#, "d.jsonl:1: completion is missing"),
    (
      #"{"prompt": [{"role": "user", "content": "a"}], "completion": "b"}"#,
      "d.jsonl:1: completion must be a list of turns, not a string"
    ),
    (#"{"instruction": "a", "output": 3}"#, "d.jsonl:1: output must be a string, not a whole number"),
    (#"{"instruction": "a", "output": "b", "history": "c"}"#, "d.jsonl:1: history must be a list, not a string"),
    (
      #"{"instruction": "a", "output": "b", "history": [["c"]]}"#,
      "d.jsonl:1: history[0] must be a list of two texts: a question and its answer"
    ),
    (
      #"{"messages": [{"role": "user", "content": "a"}], "tools": {}}"#,
      "d.jsonl:1: tools must be a list of objects, not an object"
    ),
    (
      #"{"messages": [{"role": "user", "content": "a"}], "tools": "x"}"#,
      "d.jsonl:1: tools must be a list, or one as JSON"
    ),
    (
      #"{"messages": [{"role": "user", "content": "a"}], "chat_template_kwargs": {"messages": []}}"#,
      "d.jsonl:1: chat_template_kwargs.messages: is what the conversation itself gives the template"
    ),
    (
      #"{"messages": [{"role": "user", "content": "a"}], "conversations": []}"#,
      "d.jsonl:1: has both messages and conversations: which of them counts?"
    ),
    (
      #"{"messages": [{"role": "user", "content": "a"}], "chat_template_kwargs": 1}"#,
      "d.jsonl:1: chat_template_kwargs must be an object, not a whole number"
    ),
    (
      #"{"messages": [{"role": "user", "content": "a"}]}"#,
      "d.jsonl: no usable records: each has no turn of the assistant"
    ),
  ])
  func wrongRecords(text: String, expected: String) {
    #expect(message { _ = try conversations(text) } == expected)
  }

  @Test(arguments: [
    ("{}", "d.json:1: must be a list of objects, not an object (JSONL files end in .jsonl)"),
    ("[[]]", "d.json:1: must be an object, not a list"), ("[]", "d.json: the file is empty"),
    ("[\n{\"instruction\": \"a\"}]", "d.json:2: output is missing"),
    (
      "[{\"messages\": [\n{\"role\": \"x\"}]}]",
      "d.json:2: messages[0].role must be one of \"system\", \"user\", \"assistant\", \"tool\", not \"x\""
    ),
  ])
  func wrongLists(text: String, expected: String) {
    #expect(message { _ = try conversations(text, file: "d.json", format: .json) } == expected)
  }

  @Test func theOldestExchangeLeavesFirst() throws {
    let turns = [
      Message(.system, "s"), Message(.user, "1"), Message(.assistant, "a"), Message(.user, "2"), Message(.tool, "t"),
      Message(.assistant, "b"), Message(.user, "3"), Message(.assistant, "c"),
    ]
    let second = try #require(Conversation(turns).withoutOldestExchange)
    #expect(second.messages.map(\.text) == ["s", "2", "t", "b", "3", "c"])
    let third = try #require(second.withoutOldestExchange)
    #expect(third.messages.map(\.text) == ["s", "3", "c"] && third.withoutOldestExchange == nil)
    var prompted = Conversation(turns)
    prompted.promptLength = 6
    #expect(prompted.withoutOldestExchange?.answers == [5])
  }

  /// The real files, where `INSTRUCT_DIR` says where they are.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["INSTRUCT_DIR"] != nil))
  func alpacaFiles() throws {
    let directory = try #require(ProcessInfo.processInfo.environment["INSTRUCT_DIR"])
    let file = try ConversationFile(Table(path: "\(directory)/alpaca-5000.json"))
    #expect(file.layout == .instructions && file.conversations.count == 4998)
    #expect(file.skipped.count == 1 && file.skipped[0].contains("left out 2 records"))
  }
}
