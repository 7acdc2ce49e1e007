import Diagnostics
import Kernels
import Tokenizers

/// Turns conversations into the tokens that a model reads.
struct ConversationEncoder: Sendable {
  private let format: ConversationFormat
  private let loss: AssistantLoss
  let encoder: TextEncoder
  private let special: [(name: String, text: String)]
  /// What ends the assistant's turns in the text; empty if nothing does.
  private var ending: String
  /// The token for that.
  private let endingToken: Int32?
  /// The model's end-of-text token, where it follows every answer.
  private let end: [Int32]

  /// An encoder that puts conversations into `format`. Throws where answers end with the model's end-of-text token, and it
  /// has none.
  init(_ format: ConversationFormat, loss: AssistantLoss, encoder: TextEncoder) throws {
    (self.format, self.loss, self.encoder) = (format, loss, encoder)
    special = encoder.tokenizer.specialTokens
    switch format {
    case .template(let template) where template.own?.endsWithEndOfText != true:
      (ending, end) = (template.answerEnding(special: special), [])
    case .template, .fields: (ending, end) = ("", [try encoder.end()])
    }
    let ids = encoder.tokenizer.ids(of: ending)
    endingToken = ids.first.flatMap { ids.count == 1 || encoder.tokenizer.isAdded($0) ? $0 : nil }
    if let token = endingToken.flatMap(encoder.tokenizer.token) { ending = token }
  }

  /// Throws where the text that ends the assistant's turns is no token of the tokenizer: a model can end an answer with a
  /// token only.
  func requireEnding() throws {
    guard !ending.isEmpty, endingToken == nil, case .template(let template) = format else { return }
    throw TaskError.badOption(
      key: "chat_template",
      problem:
        "the template \(template.name) ends the assistant's turns with \"\(ending.clipped)\", which is no token of "
        + "the model's tokenizer, so that an answer could not end")
  }

  /// The tokens that end an answer beside the model's own.
  var ends: [Int32] { end.isEmpty ? endingToken.map { [$0] } ?? [] : [] }

  /// What a user should know of the format.
  var notices: [String] {
    guard case .template(let template) = format, ending.isEmpty, end.isEmpty else { return [] }
    return ["\(template.name): nothing ends the assistant's turns, so that answers will not end by themselves"]
  }

  /// What is done with conversations, for people.
  var title: String {
    let target =
      switch loss {
      case .all: "every answer"
      case .last: "the last answer"
      case .everyToken: "every token"
      }
    return "\(format.name); loss on \(target)"
  }

  // MARK: - Tokens

  /// The ids of the text after which the assistant answers.
  func prompt(_ conversation: Conversation) throws -> [Int32] {
    switch format {
    case .fields(let template): return framed(encoder.tokenizer.ids(of: try template.text(conversation)))
    case .template(let template):
      let text = try template.render(conversation, answering: true, special: special).text
      guard template.own != nil else { return encoder.tokenizer.ids(of: text) }
      // Earlier answers end as those that were learnt.
      let whole = try pieces(template, conversation, text: text).flatMap(\.ids)
      return framed(whole)
    }
  }

  /// Whether fewer answers are learnt than `conversation` has.
  func misses(_ item: EncodedDataset.Item, of conversation: Conversation) -> Bool {
    loss == .all && (item.documents.first?.targets.count ?? 0) < conversation.answers.count
  }

  /// A conversation with what is to be learnt of it, up to the last token that is.
  func item(_ conversation: Conversation) throws -> EncodedDataset.Item {
    switch format {
    case .fields(let template):
      let prompt = framed(encoder.tokenizer.ids(of: try template.text(conversation)))
      let answer = encoder.tokenizer.ids(of: conversation.messages.last?.text ?? "") + end
      return item([(prompt, false), (answer, true)])
    case .template(let template):
      guard template.own != nil else { return try whole(template, conversation) }
      var pieces = try pieces(template, conversation)
      if let first = pieces.first { pieces[0].ids = framed(first.ids) }
      let count = loss == .last ? 1 : conversation.answers.count
      var left = pieces.count { $0.isAnswer } - count
      return item(
        pieces.map { piece in
          if piece.isAnswer { left -= 1 }
          return (piece.ids, piece.isAnswer && left < 0)
        })
    }
  }

  /// Turns of our own templates, tokenized one by one: a prompt has the tokens that a model sees when it is to answer.
  private func pieces(
    _ template: ChatTemplate, _ conversation: Conversation, text: String? = nil
  ) throws -> [(ids: [Int32], isAnswer: Bool)] {
    let rendering = try template.render(conversation, answering: text != nil, special: special)
    let bytes = Array(rendering.text.utf8)
    var pieces: [(ids: [Int32], isAnswer: Bool)] = [], done = 0
    func ids(_ range: Range<Int>) -> [Int32] {
      encoder.tokenizer.ids(of: String(decoding: bytes[range], as: UTF8.self))
    }
    for answer in rendering.marked {
      pieces += [(ids(done..<answer.lowerBound), false), (ids(answer) + end, true)]
      done = answer.upperBound
    }
    return pieces + [(ids(done..<bytes.count), false)]
  }

  /// A whole text, tokenized at once as by transformers.
  private func whole(_ template: ChatTemplate, _ conversation: Conversation) throws -> EncodedDataset.Item {
    let text = try template.text(of: conversation, loss: loss, special: special, ending: ending)
    // Where each target begins, and its last scalar.
    let scalars = Array(text.text.unicodeScalars)
    var numbers: [Int] = []
    numbers.reserveCapacity(text.text.utf8.count)
    for (number, scalar) in scalars.enumerated() {
      numbers += Array(repeating: number, count: UTF8.width(scalar))
    }
    let places = text.targets.flatMap { [numbers[$0.lowerBound], numbers[$0.upperBound - 1]] }
    let (ids, tokens) = encoder.tokenizer.ids(of: text.text, places: places)
    if loss == .everyToken { return item([(ids, true)]) }
    let targets = try text.targets.indices.map { index in
      guard let first = tokens[2 * index], let last = tokens[2 * index + 1] else {
        throw UnknownTokens(template: template.name)
      }
      return first..<(last + 1)
    }
    let length = targets.last?.upperBound ?? ids.count
    return EncodedDataset.Item(
      ids: Array(ids.prefix(length)), documents: [EncodedDataset.Item.Document(length: length, targets: targets)])
  }

  private func item(_ pieces: [(ids: [Int32], isTarget: Bool)]) -> EncodedDataset.Item {
    if loss == .everyToken { return EncodedDataset.Item(documents: [pieces.flatMap(\.ids)]) }
    let last = pieces.lastIndex { $0.isTarget } ?? -1
    return EncodedDataset.Item(turns: pieces[...last].map { .init($0.ids, isTarget: $0.isTarget) })
  }

  /// `ids` behind what the tokenizer puts in front of any text.
  private func framed(_ ids: [Int32]) -> [Int32] { encoder.tokenizer.beginning + ids }
}

/// A text whose tokens do not spell it, so that what is to be learnt cannot be found among them.
private struct UnknownTokens: UserFacingError {
  let template: String
  var description: String {
    "\(template): the tokenizer has no tokens for a part of the text, so that what the assistant writes cannot be found"
  }
  var exitStatus: ExitStatus { .badInput }
}

extension PromptTemplate {
  /// The text of the only question of a conversation. Throws where there is more than the template has fields for.
  func text(_ conversation: Conversation) throws -> String {
    let messages = conversation.messages
    guard let question = messages.first, question.role == .user, let text = question.text,
      messages.count == 1 || (messages.count == 2 && messages[1].role == .assistant && messages[1].text != nil),
      conversation.tools == nil
    else {
      throw NoField(problem: "more than one question with its answer, which the prompt template has no fields for")
    }
    let parts = question.parts ?? (text, "")
    if !parts.input.isEmpty, !uses("input") {
      throw NoField(problem: "an input, but the prompt template has no {input}")
    }
    return filled(["instruction": parts.instruction, "input": parts.input])
  }

  private struct NoField: UserFacingError {
    let problem: String
    var description: String { "has \(problem)" }
    var exitStatus: ExitStatus { .badInput }
  }
}
