/// How a question with choices is put to a language model, and what stands for each choice after it.
public enum ChoiceStyle: String, Sendable, CaseIterable {
  /// Choices stand in the prompt, letters are scored: MMLU.
  case letter
  /// `Question: … Answer:`, and the choices' own words are scored: ARC and others in lm-evaluation-harness.
  case text
  /// The question itself, which the choices' words continue: HellaSwag.
  case continuation

  /// The style that a file's layout suggests: letters for MMLU's CSV, words for JSON.
  public init(of questions: ChoiceQuestions) { self = questions.isJSON ? .text : .letter }

  /// The prompt for `question`, with solved questions in front.
  public func prompt(for question: ChoiceQuestion, subject: String?, shots: [ChoiceQuestion]) -> String {
    if self == .letter { return question.prompt(subject: subject, shots: shots) }
    return shots.map { shot in
      body(shot) + (shot.answer.map { continuations(of: shot)[$0] } ?? "") + "\n\n"
    }.joined() + body(question)
  }

  /// What a model is scored on after the prompt. The highest log-likelihood is its answer.
  public func continuations(of question: ChoiceQuestion) -> [String] {
    self == .letter ? question.continuations : question.choices.map { " " + $0.trimmed }
  }

  /// The lengths that log-likelihoods are divided by for `accuracy_norm`: characters, without the space in front, as in
  /// lm-evaluation-harness.
  public func lengths(of question: ChoiceQuestion) -> [Int] {
    continuations(of: question).map { $0.unicodeScalars.count - 1 }
  }

  private func body(_ question: ChoiceQuestion) -> String {
    self == .text ? "Question: \(question.question.trimmed)\nAnswer:" : question.question.trimmed
  }
}
