import Metrics

extension Task {
  /// Questions with choices.
  static let multipleChoice: Task = {
    var task = Task(
      "multiple-choice", summary: "Questions with choices: MMLU's CSV, or JSONL or JSON by the file's ending",
      files: [
        .train: ["auxiliary_train", "train.jsonl", "train.csv"],
        .validation: ["val", "validation.jsonl", "validation.csv"],
        .test: ["test", "test.jsonl", "test.csv"],
      ], labels: .none, metrics: [.accuracy, .accuracyNorm]
    ) { opening in
      let options = opening.options, style = options.choiceStyle.flatMap(ChoiceStyle.init)
      return TaskReader(labels: nil, objective: Choices()) { request in
        let groups = try ChoiceGroup.all(
          in: request.path, shots: request.toTrain ? 0 : options.numFewshot, shotsFile: options.fewshotFile)
        return SplitData(file: request.path, answers: .choices(groups.map(\.questions))) {
          try ChoiceEncoding(style: style, toTrain: request.toTrain).items(
            groups, limit: request.limit, path: request.path, $0)
        }
      } predict: { input in
        let questions =
          try input.isPipe
          ? ChoiceQuestions(bytes: input.bytes, pipe: input.name)
          : ChoiceQuestions(bytes: input.bytes, file: input.name, needsAnswers: false)
        let group = try ChoiceGroup(questions, shots: options.numFewshot, shotsFile: options.fewshotFile)
        return SplitData(file: input.name, answers: .choices([questions])) {
          try ChoiceEncoding(style: style, toTrain: false).items([group], needsAll: true, path: input.name, $0)
        }
      }
    }
    task.options = [.choiceStyle, .numFewshot, .fewshotFile]
    return task
  }()
}

extension LabelSpace {
  /// The letters of the question with the most choices.
  fileprivate static func choices(_ questions: [ChoiceQuestions]) -> LabelSpace {
    .classes(
      Array(ChoiceQuestion.letters.prefix(questions.flatMap(\.questions).map(\.choices.count).max() ?? 0)))
  }
}
