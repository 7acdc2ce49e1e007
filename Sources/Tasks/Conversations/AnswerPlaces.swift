import Diagnostics
import Jinja

/// The text of a conversation, and the parts of it that are to be learnt.
package struct ConversationText: Equatable {
  /// The whole text.
  package let text: String
  /// In bytes of the text, ascending, none empty.
  package let targets: [Range<Int>]
}

/// Why it cannot be told what the assistant writes.
struct UnclearAnswer: UserFacingError, Equatable {
  let template: String
  /// The turn, from 0.
  let turn: Int
  var description: String {
    "\(template): cannot tell which part of the text is messages[\(turn)], what the assistant writes; mark it with "
      + "{% generation %} … {% endgeneration %}"
  }
  var exitStatus: ExitStatus { .badInput }
}

extension ChatTemplate {
  /// The text of a whole conversation with what is to be learnt of it. `ending` is what ends the assistant's turns
  /// (`answerEnding`).
  ///
  /// Where the template marks what the assistant writes, these are the marked parts. Otherwise an answer is what stands
  /// between the text of the conversation up to it (with the beginning of the assistant's turn) and the text up to its
  /// end, if both begin the whole text. Templates that write a turn in another way once others follow it (Qwen 3 forgets
  /// what was thought) are run once more with other words in the answer's place: the answer is what differs, and the
  /// turn's ending behind it. Throws where neither tells.
  package func text(
    of conversation: Conversation, loss: AssistantLoss, special: [(name: String, text: String)], ending: String
  ) throws -> ConversationText {
    let whole = try render(conversation, special: special), bytes = Array(whole.text.utf8)
    let answers = conversation.answers
    if loss == .everyToken {
      return ConversationText(text: whole.text, targets: bytes.isEmpty ? [] : [0..<bytes.count])
    }
    var targets: [Range<Int>]
    if marksAnswers {
      targets = whole.marked.sorted { $0.lowerBound < $1.lowerBound }
      // Marks of turns that are not learnt stand in the text of the conversation up to those that are.
      let start = loss == .last ? answers.last ?? 0 : conversation.promptLength
      if start > 0 {
        let before = try tried { Array(try render(conversation, 0..<start, special: special).text.utf8) }
        if let before, bytes.starts(with: before) {
          targets = targets.filter { $0.lowerBound >= before.count }
        } else if marksOneEach(targets, conversation) {
          targets = targets.suffix(loss == .last ? 1 : answers.count)
        } else {
          throw UnclearAnswer(template: name, turn: start)
        }
      }
    } else {
      let wanted = loss == .last ? answers.suffix(1) : answers[...]
      targets = try wanted.map { turn in
        let found = try place(of: turn, in: conversation, bytes, special: special, ending: ending)
        // A call of a function that the template does not write leaves an answer of nothing but its end.
        let message = conversation.messages[turn]
        let isSilent = message.callsTools && (message.text ?? "").isEmpty
        guard let found, !isSilent || !isEnding(bytes[found], ending) else {
          throw UnclearAnswer(template: name, turn: turn)
        }
        return found
      }
    }
    return ConversationText(text: whole.text, targets: targets.filter { !$0.isEmpty })
  }

  /// Whether the template marks every turn of the assistant's once.
  private func marksOneEach(_ marks: [Range<Int>], _ conversation: Conversation) -> Bool {
    marks.count == conversation.messages.count { $0.role == .assistant }
  }

  private func isEnding(_ text: ArraySlice<UInt8>, _ ending: String) -> Bool {
    String(decoding: text, as: UTF8.self).trimmed.utf8.elementsEqual(ending.utf8)
  }

  /// What `body` gives; nil where a template refuses a conversation that is cut off. A template that runs on and on is not
  /// tried again.
  private func tried<Value>(_ body: () throws -> Value) throws -> Value? {
    do {
      return try body()
    } catch let error as JinjaError where error.kind == .limit {
      throw error
    } catch {
      return nil
    }
  }

  private func place(
    of turn: Int, in conversation: Conversation, _ whole: [UInt8], special: [(name: String, text: String)],
    ending: String
  ) throws -> Range<Int>? {
    // A template may refuse a conversation that is cut off: then the other way may still tell.
    let earlier = try tried { try render(conversation, 0..<turn, special: special).text }
    let before = try tried {
      Array(try render(conversation, 0..<turn, answering: true, special: special).text.utf8)
    }
    let after = try tried { Array(try render(conversation, 0..<(turn + 1), special: special).text.utf8) }
    // What the template makes of the beginning of a turn must go on where the text before it ends.
    let goesOn = before.map { before in turn > 0 && (earlier.map { before.starts(with: $0.utf8) } ?? true) } ?? false
    let start = goesOn ? before.flatMap { !$0.isEmpty && whole.starts(with: $0) ? $0.count : nil } : nil
    if let start, let after, whole.starts(with: after), after.count > start,
      let answer = trimmed(start..<after.count, of: whole, ending: ending)
    {
      return answer
    }
    // Characters of private use: no template trims or changes them.
    let other = conversation.messages[turn].text == "\u{F8F0}" ? "\u{F8F1}" : "\u{F8F0}"
    var changed = conversation
    changed.messages[turn] = conversation.messages[turn].with(text: other)
    let compared = Array(try render(changed, special: special).text.utf8)
    // Some templates leave old turns out: nothing to learn there.
    if whole == compared { return 0..<0 }
    var first = zip(whole, compared).prefix { $0 == $1 }.count
    var last = zip(whole.reversed(), compared.reversed()).prefix { $0 == $1 }.count
    // Other characters may begin or end with the same bytes.
    func isWithin(_ place: Int) -> Bool { place < whole.count && whole[place] & 0xC0 == 0x80 }
    while first > 0, isWithin(first) { first -= 1 }
    while last > 0, isWithin(whole.count - last) { last -= 1 }
    guard first + last < whole.count, first + last < compared.count else { return nil }
    let end = whole.count - last, rest = whole[end...]
    let spaces = rest.prefix { [0x20, 0x0A, 0x09, 0x0D].contains($0) }.count
    guard ending.isEmpty || rest.dropFirst(spaces).starts(with: ending.utf8) else { return nil }
    return (start.map { min($0, first) } ?? first)..<(ending.isEmpty ? end : end + spaces + ending.utf8.count)
  }

  /// A turn up to its ending: the line end that many templates put behind is no part of it, as the model stops before.
  /// Nil where it does not end so.
  private func trimmed(_ range: Range<Int>, of whole: [UInt8], ending: String) -> Range<Int>? {
    let white = whole[range].reversed().prefix { [0x20, 0x0A, 0x09, 0x0D].contains($0) }.count
    let cut = range.lowerBound..<(range.upperBound - white)
    return !ending.isEmpty && whole[cut].suffix(ending.utf8.count).elementsEqual(ending.utf8) ? cut : nil
  }

  /// What ends the assistant's turns, up to white space: `<|im_end|>`, perhaps with the beginning of what follows. Empty
  /// where nothing does, or where the template takes no short conversation.
  func answerEnding(special: [(name: String, text: String)]) -> String {
    let words = "\u{F8F0}", question = Message(.user, "a"), answer = Message(.assistant, words)
    func rest(_ messages: [Message]) -> String? {
      guard let text = try? render(Conversation(messages), special: special).text else { return nil }
      return text.range(of: words).map { String(text[$0.upperBound...]) }
    }
    for start in [[question], [Message(.system, "a"), question]] {
      guard let last = rest(start + [answer]) else { continue }
      // Some templates always begin the assistant's next turn.
      let within = rest(start + [answer, question, Message(.assistant, "a")]) ?? last
      let common = zip(last.unicodeScalars, within.unicodeScalars).prefix { $0 == $1 }.map(\.0)
      let words = common.drop { $0.properties.isWhitespace }.prefix { !$0.properties.isWhitespace }
      return String(String.UnicodeScalarView(words))
    }
    return ""
  }
}
