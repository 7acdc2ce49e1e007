import Tasks

/// How a text becomes what the model is to continue.
enum PromptFormat: Sendable {
  /// As it is.
  case plain
  /// An instruction in the words that the model learnt with.
  case instruction(InstructionStyle)
  /// A meaning representation, as E2E's files have it.
  case meaning

  init(_ task: LanguageTaskData) {
    switch task.source.task {
    case .causalLM, .multipleChoice: self = .plain
    case .instruct: self = .instruction(task.style)
    case .e2e: self = .meaning
    }
  }

  func ids(_ text: String, _ tokens: LanguageTokens) -> [Int32] {
    switch self {
    case .plain: tokens.prompt(text, ends: false)
    case .instruction(let style): tokens.prompt(style.prompt(instruction: text, input: ""), ends: false)
    case .meaning: tokens.prompt(MeaningRepresentation(text)?.prompt ?? text, ends: true)
    }
  }

  /// The token that ends an answer, where the format has one of its own.
  func ends(_ tokens: LanguageTokens) -> [Int] {
    guard case .instruction(.chat(let chat)) = self else { return [] }
    let ending = tokens.ending(chat.ending)
    return ending.count == 1 ? ending.map(Int.init) : []
  }
}
