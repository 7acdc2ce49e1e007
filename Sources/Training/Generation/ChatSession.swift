import Tasks
import Tokenizers

/// A conversation with a language model, which sees all earlier turns that fit.
///
///     var chat = try ChatSession(run, options, system: "Answer in one sentence.")
///     let turn = try chat.say("Why is the sky blue?") { text in
///       print(text, terminator: "")
///       return true
///     }
public struct ChatSession {
  /// The turns so far, without the system's.
  public private(set) var messages: [Message] = []
  /// The system's words, which stand before all turns.
  public private(set) var system: String?
  private let run: GenerationRun
  private let options: GenerationOptions
  private let memory = GenerationMemory()
  private var count = 0

  /// An answer.
  public struct Answer: Sendable {
    /// What was written, without what ended it.
    public let text: String
    /// Why it ended.
    public let end: Generation.End
    /// How many of the oldest turns left, since not all fitted.
    public let forgotten: Int
  }

  /// A conversation without turns. Throws what the template says of such conversations.
  public init(_ run: GenerationRun, _ options: GenerationOptions, system: String?) throws {
    (self.run, self.options) = (run, options)
    try instruct(system)
  }

  /// Sets the system's words, or removes them; the turns stay. Throws, and changes nothing, where the template takes none.
  public mutating func instruct(_ system: String?) throws {
    var changed = self
    changed.system = system
    _ = try run.ids(of: changed.conversation(messages + [Message(.user, "Hello")]))
    self.system = system
  }

  /// Forgets all turns, but not the system's words.
  public mutating func reset() { messages = [] }

  /// Answers `text`; `write` gets the answer as it is written, and says whether to go on. What was written until then is
  /// the answer. Throws, and forgets `text`, where it does not fit.
  public mutating func say(_ text: String, write: (String) -> Bool) throws -> Answer {
    var turns = messages + [Message(.user, text)], forgotten = 0
    var ids = try run.ids(of: conversation(turns))
    while ids.count > roomForPrompt, let next = turns.dropFirst().firstIndex(where: { $0.role == .user }) {
      forgotten += next
      turns.removeFirst(next)
      ids = try run.ids(of: conversation(turns))
    }
    try run.requireRoom(ids, options)
    var stream = TextStream(run.tokenizer, after: ids), isWanted = true
    let result = run.generator.stream(ids, number: count, options, memory: memory) { token in
      isWanted = write(stream.add(token))
      return isWanted
    }
    if isWanted { _ = write(stream.finish() + result.rest) }
    let answer = Answer(text: result.text(run.tokenizer), end: result.end, forgotten: forgotten)
    messages = turns + [Message(.assistant, answer.text)]
    count += 1
    return answer
  }

  /// How long a prompt may be so that there is room for an answer, or at least a quarter of all tokens.
  private var roomForPrompt: Int {
    let most = min(run.generator.longestText, options.maxLength ?? .max)
    return most - min(options.maxLength == nil ? options.maxNewTokens : .max, max(1, most / 4))
  }

  private func conversation(_ turns: [Message]) -> Conversation {
    Conversation((system.map { [Message(.system, $0)] } ?? []) + turns)
  }
}
