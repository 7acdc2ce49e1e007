import Foundation
import StrictJSON
import Testing

@testable import Tasks

/// The texts of our own templates, and where the answers stand in those of others.
@Suite struct ConversationTextTests {
  private func text(_ own: ChatTemplate.Own, _ conversation: Conversation, answering: Bool = false) throws -> String {
    try ChatTemplate(own).render(conversation, answering: answering, special: [("bos_token", "<s>")]).text
  }

  private let turns = Conversation([
    Message(.system, "Be kind."), Message(.user, " Hi\n"), Message(.assistant, "Yes "), Message(.user, "2+2?"),
    Message(.assistant, "4"),
  ])

  @Test func alpaca() throws {
    var question = Message(.user, "Add.\n\n1 2")
    question.parts = ("Add.", "1 2")
    #expect(
      try text(.alpaca, Conversation([question, Message(.assistant, "3")])) == """
        Below is an instruction that describes a task, paired with an input that provides further context. Write a \
        response that appropriately completes the request.

        ### Instruction:
        Add.

        ### Input:
        1 2

        ### Response:3
        """)
    #expect(
      try text(.alpaca, Conversation([Message(.user, "Sing.")]), answering: true) == """
        Below is an instruction that describes a task. Write a response that appropriately completes the request.

        ### Instruction:
        Sing.

        ### Response:
        """)
    #expect(
      try text(.alpaca, turns) == """
        Be kind.

        ### Instruction:
         Hi


        ### Response:Yes \n
        ### Instruction:
        2+2?

        ### Response:4
        """)
  }

  @Test func chatML() throws {
    #expect(
      try text(.chatML, turns) == """
        <|im_start|>system
        Be kind.<|im_end|>
        <|im_start|>user
         Hi
        <|im_end|>
        <|im_start|>assistant
        Yes <|im_end|>
        <|im_start|>user
        2+2?<|im_end|>
        <|im_start|>assistant
        4<|im_end|>

        """)
    #expect(
      try text(.chatML, Conversation([Message(.user, "a")]), answering: true)
        == "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n")
  }

  @Test func llama2() throws {
    #expect(
      try text(.llama2, turns)
        == "[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi [/INST] Yes <s>[INST] 2+2? [/INST] 4 ")
    #expect(try text(.llama2, Conversation([Message(.user, " Hi\n")]), answering: true) == "[INST] Hi [/INST]")
    #expect(
      message { _ = try text(.llama2, Conversation([Message(.user, "a"), Message(.tool, "b")])) }
        .hasSuffix("llama-2 has no turns of the role tool"))
  }

  @Test func llama3() throws {
    #expect(
      try text(.llama3, Conversation([Message(.user, "Hi "), Message(.assistant, " Yes")]))
        == "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
        + "Yes<|eot_id|>")
    #expect(
      try text(.llama3, Conversation([Message(.user, "Hi")]), answering: true)
        == "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n")
  }

  @Test func ownTemplatesTakeTextsAlone() throws {
    var tools = turns
    tools.tools = [["name": "f"]]
    let image = Conversation([turn(parts: [["type": "image"]])])
    for conversation in [tools, image] {
      #expect(
        message { _ = try text(.chatML, conversation) }
          == "the template chatml takes texts alone: no tools, no calls of them, no images, no "
          + "chat_template_kwargs")
    }
    let parts = turn(parts: [["type": "text", "text": "a"], ["type": "text", "text": "b"]])
    #expect(try text(.completion, Conversation([parts])) == "ab")
  }

  private func turn(parts: JSONValue) -> Message {
    var members = JSONObject()
    members["content"] = JSONNode(parts)
    return Message(.user, members)
  }

  // MARK: - Answers

  private func answers(_ template: String, _ conversation: Conversation, _ loss: AssistantLoss = .all) throws
    -> [String]
  {
    let template = try ChatTemplate(template, file: "t.jinja")
    let text = try template.text(
      of: conversation, loss: loss, special: [], ending: template.answerEnding(special: []))
    let bytes = Array(text.text.utf8)
    return text.targets.map { String(decoding: bytes[$0], as: UTF8.self) }
  }

  private let plain = """
    {% for m in messages %}{{ '<|' + m.role + '|>' + m.content + '<|end|>\\n' }}{% endfor %}\
    {% if add_generation_prompt %}<|assistant|>{% endif %}
    """

  @Test func anAnswerEndsWithItsToken() throws {
    #expect(try answers(plain, turns) == ["Yes <|end|>", "4<|end|>"])
    #expect(try answers(plain, turns, .last) == ["4<|end|>"])
    let all = try answers(plain, turns, .everyToken)
    #expect(all.count == 1 && all[0].hasPrefix("<|system|>Be kind.") && all[0].hasSuffix("4<|end|>\n"))
    var prompted = turns
    prompted.promptLength = 4
    #expect(try answers(plain, prompted) == ["4<|end|>"])
  }

  @Test func marksCount() throws {
    let marked = """
      {% for m in messages %}{{ '<|' + m.role + '|>' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}\
      <|end|>{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}
      """
    #expect(try answers(marked, turns) == ["Yes <|end|>", "4<|end|>"])
    #expect(try answers(marked, turns, .last) == ["4<|end|>"])
    var prompted = turns
    prompted.promptLength = 4
    #expect(try answers(marked, prompted) == ["4<|end|>"])
  }

  /// Several marks in a turn all belong to it.
  @Test func severalMarksInATurn() throws {
    let template =
      "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}!{% endgeneration %}-{% generation %}"
      + "{{ m.content }}<|end|>{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}"
    #expect(try answers(template, turns) == ["!", "Yes <|end|>", "!", "4<|end|>"])
    #expect(try answers(template, turns, .last) == ["!", "4<|end|>"])
    var prompted = turns
    prompted.promptLength = 4
    #expect(try answers(template, prompted) == ["!", "4<|end|>"])
  }

  /// Where the template takes no conversation that is cut off, one mark a turn tells them apart, several do not.
  @Test func marksOfTemplatesThatTakeOnlyWholeConversations() throws {
    let mark = "{% generation %}{{ m.content }}{% endgeneration %}"
    func template(_ marks: String) -> String {
      "{% if messages | length < 5 %}{{ raise_exception('too short') }}{% endif %}{% for m in messages %}"
        + "{% if m.role == 'assistant' %}\(marks){% else %}{{ m.content }}{% endif %}{% endfor %}"
    }
    #expect(try answers(template(mark), turns, .last) == ["4"])
    #expect(message { _ = try answers(template(mark + mark), turns, .last) }.contains("cannot tell which part"))
  }

  /// As Qwen 3's: what was thought is forgotten once others have spoken, and an answer without any gets an empty thought.
  private let forgetful = """
    {% for m in messages %}{{ '<|' + m.role + '|>' }}{% if m.role == 'assistant' %}{% if loop.last %}\
    {{ '<think></think>' }}{% endif %}{{ m.content.split('</think>')[-1] }}{% else %}{{ m.content }}{% endif %}<|end|>
    {% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}
    """

  @Test func templatesThatRewriteEarlierTurns() throws {
    #expect(try answers(forgetful, turns) == ["Yes <|end|>", "<think></think>4<|end|>"])
    let thinking = Conversation([
      Message(.user, "a"), Message(.assistant, "<think>x</think>b"), Message(.user, "c"), Message(.assistant, "b"),
    ])
    #expect(try answers(forgetful, thinking) == ["b<|end|>", "<think></think>b<|end|>"])
  }

  /// Answers that begin or end with bytes of the words that stand in for them.
  @Test(arguments: ["Москва", "各地", "25°", "\u{F8F3}", "\u{F8C0}", "\u{F0F0}"])
  func charactersAreNotCut(words: String) throws {
    let conversation = Conversation([
      Message(.user, "a"), Message(.assistant, words), Message(.user, "c"), Message(.assistant, words),
    ])
    #expect(try answers(forgetful, conversation) == ["\(words)<|end|>", "<think></think>\(words)<|end|>"])
  }

  @Test func templatesWithoutAGenerationPrompt() throws {
    let template = "{% for m in messages %}[{{ m.role }}] {{ m.content | trim }}</s>{% endfor %}"
    // The turn's beginning cannot be told from the assistant's words, so it is learnt too.
    #expect(try answers(template, turns) == ["[assistant] Yes</s>", "[assistant] 4</s>"])
  }

  /// Without the beginning of the next turn, which some templates always put behind.
  @Test func templatesThatAlwaysPrompt() throws {
    let template =
      "{% for m in messages %}{{ m.role }}: {{ m.content }}{% if m.role == 'assistant' %}</s>{% endif %}\n"
      + "{% endfor %}assistant:"
    #expect(try answers(template, turns) == [" Yes </s>", " 4</s>"])
    let endless = template.replacing("</s>", with: "")
    #expect(try answers(endless, turns) == [" Yes ", " 4"])
  }

  /// A call of a function that the template does not write.
  @Test func whatCannotBeTold() throws {
    var members = JSONObject()
    members["content"] = JSONNode("")
    members["tool_calls"] = JSONNode([["name": "f"]])
    let calling = Conversation([Message(.user, "a"), Message(.assistant, members)])
    let template = "{% for m in messages %}- {{ m.content }}\n{% endfor %}"
    #expect(
      message { _ = try answers(template, calling) }
        == "t.jinja: cannot tell which part of the text is messages[1], what the assistant writes; mark it with "
        + "{% generation %} … {% endgeneration %}")
  }

  /// A template that prints nothing where it is to begin a turn does not make the whole text an answer.
  @Test func templatesThatPrintNothingToAnswer() throws {
    let template =
      "{% if not add_generation_prompt %}{% for m in messages %}{{ m.role[0] }}:{{ m.content }}</s>"
      + "{% endfor %}{% endif %}"
    #expect(try answers(template, turns) == ["Yes </s>", "4</s>"])
  }

  /// Turns that a template leaves out are not learnt.
  @Test func turnsThatAreNotThere() throws {
    let template = "{% for m in messages[-2:] %}[{{ m.content }}]{% endfor %}"
    #expect(try answers(template, turns) == ["4]"])
    #expect(try answers("{{ messages | length }}", turns).isEmpty)
  }
}
