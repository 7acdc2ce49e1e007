import Diagnostics
import Foundation
import Testing

@testable import Tasks

@Suite struct InstructionTests {
  private func read(_ text: String, _ style: InstructionStyle = .alpaca, isLines: Bool = false) throws
    -> PromptedDataset
  {
    try PromptedDataset(
      instructions: Table(bytes: Array(text.utf8), file: "d.json", format: isLines ? .jsonl : .json), style: style)
  }

  @Test func theStandardText() throws {
    let data = try read(
      """
      [{"instruction": "Add.", "input": "1 2", "output": "3", "text": "…"},
       {"instruction": "Sing.", "input": "", "output": "La"},
       {"instruction": "Dance.", "output": " "},
       {"instruction": "", "output": "x"}]
      """)
    #expect(
      data.examples == [
        PromptedText(
          prompt: """
            Below is an instruction that describes a task, paired with an input that provides further context. Write a \
            response that appropriately completes the request.

            ### Instruction:
            Add.

            ### Input:
            1 2

            ### Response:
            """, answer: "3", file: "d.json", line: 1),
        PromptedText(
          prompt: """
            Below is an instruction that describes a task. Write a response that appropriately completes the request.

            ### Instruction:
            Sing.

            ### Response:
            """, answer: "La", file: "d.json", line: 2),
      ])
    #expect(
      data.skipped == [
        "d.json: left out 1 record with an empty output (line 3)",
        "d.json: left out 1 record with an empty instruction (line 4)",
      ])
  }

  @Test func ownTemplates() throws {
    let style = try InstructionStyle("Q: {instruction} {{{input}}}\nA:")
    let data = try read(#"{"instruction": "a", "input": "b", "output": "c"}"#, style, isLines: true)
    #expect(data.examples[0].prompt == "Q: a {b}\nA:" && data.examples[0].ending == .endOfText)
  }

  @Test(arguments: [
    ("{instruktion}", "no field {instruktion}, did you mean {instruction}?; the fields are {instruction}, {input}"),
    ("{output}{instruction}", "no field {output}; the fields are {instruction}, {input}"),
    ("{instruction", "{ without } (a brace itself is written twice)"),
    ("instruction}", "} without { (a brace itself is written twice)"),
    (
      "chat-ml",
      "\"chat-ml\" has no {instruction}, and is no template's name; known are alpaca, model, chatml, llama-2, llama-3, or "
        + "a text with {instruction} and {input}"
    ),
    ("model", "\"model\" needs a chat_template in the model's tokenizer_config.json, and there is none"),
  ])
  func wrongTemplates(template: String, problem: String) {
    #expect(message { _ = try InstructionStyle(template) } == "task.prompt_template: " + problem)
  }

  @Test(arguments: [
    (#"[{"instruction": "a", "input": "b", "output": 3}]"#, "d.json:1: output must be a string, not a whole number"),
    ("[\n{\"instruction\": \"a\"}]", "d.json:2: output is missing"),
    ("{}", "d.json:1: must be a list of objects, not an object (JSONL files end in .jsonl)"),
    ("[[]]", "d.json:1: must be an object, not a list"), ("[]", "d.json: the file is empty"),
    ("[", "d.json:1:2: unexpected end"),
    (#"[{"instruction": "a", "output": ""}]"#, "d.json: no usable records: each has an empty output"),
  ])
  func wrongFiles(text: String, expected: String) {
    let found = message { _ = try read(text) }
    if expected.hasPrefix("d.json:1:2") { #expect(found.hasPrefix("d.json:1:2: ")) } else { #expect(found == expected) }
  }

  @Test func aTemplateWithoutInputRefusesInputs() throws {
    let style = try InstructionStyle("{instruction} =>")
    #expect(try read(#"[{"instruction": "a", "input": "", "output": "c"}]"#, style).examples.count == 1)
    #expect(
      message { _ = try read(#"[{"instruction": "a", "input": "b", "output": "c"}]"#, style) }
        == "d.json:1: has an input, but the prompt template has no {input}")
  }
}

@Suite struct ChatTemplateTests {
  /// SmolLM2's.
  private let smol =
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are "
    + "a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + "
    + "message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"

  @Test func chatML() throws {
    let style = try InstructionStyle("model", chatTemplate: smol)
    #expect(
      style.prompt(instruction: "What is the capital of France?", input: "") == """
        <|im_start|>system
        You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
        <|im_start|>user
        What is the capital of France?<|im_end|>
        <|im_start|>assistant

        """)
    #expect(style.answer("Paris.").text == "Paris." && style.answer("").ending == .text("<|im_end|>"))
    #expect(try InstructionStyle("chatml", chatTemplate: smol) == style)
    #expect(try InstructionStyle("chatml") == .chat(ChatTemplate(.chatML)))
    let escaped = smol.replacing("\n", with: "\\n")
    #expect(try InstructionStyle("model", chatTemplate: escaped) == style)
    let variable = "{{ '<|im_start|>system\n' + system + '<|im_end|>' }}"
    #expect(ChatTemplate(detectedIn: variable) == ChatTemplate(.chatML))
  }

  @Test func llama2() throws {
    let chat = try #require(ChatTemplate(detectedIn: "{{ bos_token + '[INST] ' + content | trim + ' [/INST]' }}"))
    #expect(chat.prompt(" Hi\n") == "[INST] Hi [/INST]" && chat.answer("Yes ") == " Yes " && chat.ending == .endOfText)
    #expect(
      ChatTemplate(.llama2, system: "Be kind.").prompt("Hi") == "[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi [/INST]")
  }

  @Test func llama3() throws {
    let chat = try #require(ChatTemplate(detectedIn: "'<|start_header_id|>' + role + '<|end_header_id|>\n\n'"))
    #expect(
      chat.prompt("Hi ") == "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        + "<|start_header_id|>assistant<|end_header_id|>\n\n")
    #expect(chat.answer(" Yes") == "Yes" && chat.ending == .text("<|eot_id|>"))
  }

  @Test func othersAreRefused() {
    #expect(ChatTemplate(detectedIn: "{{ '<start_of_turn>' }}") == nil)
    #expect(message { _ = try InstructionStyle("model", chatTemplate: "x") }.contains("none of the known kinds"))
  }
}

@Suite struct E2ETests {
  private func read(_ text: String, groups: Bool) throws -> PromptedDataset {
    try PromptedDataset(e2e: [Table(bytes: Array(text.utf8), file: "e.csv", format: .csv)], groups: groups)
  }

  private let text = """
    mr,ref
    "name[The Vaults], eatType[pub], familyFriendly[no]",First.
    "name[Blue Spice], priceRange[less than £20]","Second, ""quoted""."
    "name[The Vaults], eatType[pub], familyFriendly[no]",Third.
    name[Empty],

    """

  @Test func rowsForTraining() throws {
    let data = try read(text, groups: false)
    #expect(data.examples.map(\.answer) == [" First.", " Second, \"quoted\".", " Third."])
    #expect(data.examples[0].prompt == "name : The Vaults | Type : pub | family friendly : no")
    #expect(data.examples[1].prompt == "name : Blue Spice | price : less than £20")
    #expect(data.examples.allSatisfy { $0.endsPrompt && $0.ending == .endOfText })
    #expect(data.skipped == ["e.csv: left out 1 record with an empty reference (line 5)"])
  }

  @Test func meaningsForEvaluation() throws {
    let data = try read(text, groups: true)
    #expect(data.examples.map(\.references) == [["First.", "Third."], ["Second, \"quoted\"."]])
    #expect(data.examples.map(\.line) == [2, 3])
  }

  @Test(arguments: [
    ("MR\nname[a]", #"e.csv:1: the header must have the columns mr and ref, found "MR""#),
    ("mr,ref\nname[a]", "e.csv:2: 1 field, the header has 2"), ("mr,ref", "e.csv: no rows after the header"),
    ("mr,ref\nname,x", #"e.csv:2: "name" is no list like name[The Vaults], eatType[pub]"#),
    ("mr,ref\n\"name[a] b[c]\",x", #"e.csv:2: "name[a] b[c]" is no list like name[The Vaults], eatType[pub]"#),
    ("mr,ref\n[a],x", #"e.csv:2: "[a]" is no list like name[The Vaults], eatType[pub]"#),
  ])
  func wrongFiles(text: String, expected: String) {
    #expect(message { _ = try read(text, groups: false) } == expected)
  }

  @Test func textsOfAModel() throws {
    let folder = try Folder([
      "a": "x\ny z\n", "b": "index\tprediction\tlabel\n0\tx\tr\n1\ty\t\n", "c": "index\tprediction\n1\tx",
    ])
    let data = try read(text, groups: true), texts = try GeneratedTexts(path: folder.path + "/a")
    try texts.requireFit(data)
    #expect(
      texts.texts == ["x", "y z"] && texts.table(data.examples).hasPrefix("index\tprediction\tlabel\n0\tx\tFirst.\n"))
    #expect(try GeneratedTexts(path: folder.path + "/b").texts == ["x", "y"])
    #expect(
      message { _ = try GeneratedTexts(path: folder.path + "/c") }
        == "\(folder.path)/c:2: must be 0, a TAB and a text: rows are in order")
    #expect(throws: TaskError.textCount(file: "t", found: 1, references: "e.csv", expected: 2)) {
      try GeneratedTexts(texts: ["x"], file: "t").requireFit(data)
    }
  }

  /// The real files, where `E2E_DIR` says where they are.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["E2E_DIR"] != nil))
  func officialFiles() throws {
    let directory = try #require(ProcessInfo.processInfo.environment["E2E_DIR"])
    #expect(try PromptedDataset(e2e: ["\(directory)/trainset.csv"], groups: false).examples.count == 42_061)
    let development = try PromptedDataset(e2e: ["\(directory)/devset.csv"], groups: true)
    #expect(development.examples.count == 547 && development.examples.reduce(0) { $0 + $1.references.count } == 4672)
    #expect(try PromptedDataset(e2e: ["\(directory)/testset_w_refs.csv"], groups: true).examples.count == 630)
  }

  /// The real files, where `INSTRUCT_DIR` says where they are.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["INSTRUCT_DIR"] != nil))
  func alpacaFiles() throws {
    let directory = try #require(ProcessInfo.processInfo.environment["INSTRUCT_DIR"])
    let data = try PromptedDataset(instructions: "\(directory)/alpaca-5000.json", style: .alpaca)
    #expect(data.examples.count == 4998 && data.skipped.count == 1 && data.skipped[0].contains("left out 2 records"))
  }
}
