/// A rule on how several values go together.
struct ConfigRule: Sendable {
  /// The value that the message points at.
  let path: String
  /// The other values the rule looks at: where one of them is wrong by itself, the rule is not asked.
  let others: [String]
  /// What is wrong, or nil.
  let problem: @Sendable (RunConfig) -> String?

  init(_ path: String, with others: String..., problem: @escaping @Sendable (RunConfig) -> String?) {
    self.path = path
    self.others = others
    self.problem = problem
  }

  static let all = files + columns + selection

  private static let files = [
    ConfigRule("task.data_dir", with: "task.name", "task.train_file") { config in
      let task = config.task
      guard task.name.isGLUE, task.dataDir == nil, task.trainFile == nil else { return nil }
      return "task \(task.name.rawValue) needs data_dir, or train_file"
    },
    ConfigRule("task.data_dir", with: "task.name") { config in
      let task = config.task
      guard task.name == .tsv, task.dataDir != nil else { return nil }
      return "the files of a table have no names of their own; task tsv needs train_file"
    },
    ConfigRule("task.train_file", with: "task.name") { config in
      let task = config.task
      guard !task.name.isGLUE, task.trainFile == nil, task.dataDir == nil else { return nil }
      return "task \(task.name.rawValue) needs train_file" + (task.name == .tsv ? "" : ", or data_dir")
    },
    ConfigRule("task.prompt_template", with: "task.name") { config in
      guard config.task.promptTemplate != nil, config.task.name != .instruct else { return nil }
      return "is for task instruct only"
    },
    ConfigRule("task.choice_style", with: "task.name") { forChoices($0, $0.task.choiceStyle != nil) },
    ConfigRule("task.num_fewshot", with: "task.name") { forChoices($0, $0.task.numFewshot != nil) },
    ConfigRule("task.fewshot_file", with: "task.name") { forChoices($0, $0.task.fewshotFile != nil) },
    ConfigRule("task.fewshot_file", with: "task.name", "task.num_fewshot") { config in
      let task = config.task
      guard task.name == .multipleChoice, task.fewshotFile != nil, task.numFewshot == 0 else { return nil }
      return "goes with a num_fewshot above 0"
    },
  ]

  private static func forChoices(_ config: RunConfig, _ isGiven: Bool) -> String? {
    isGiven && config.task.name != .multipleChoice ? "is for task multiple-choice only" : nil
  }

  private static let columns = [
    ConfigRule("task.text_columns", with: "task.name") { config in
      config.task.name == .tsv && config.task.textColumns == nil ? "task tsv needs text_columns" : nil
    },
    ConfigRule("task.label_column", with: "task.name") { config in
      config.task.name == .tsv && config.task.labelColumn == nil ? "task tsv needs label_column" : nil
    },
    ConfigRule("task.text_columns", with: "task.name") { config in
      config.task.name != .tsv && config.task.textColumns != nil ? onlyForTSV(config) : nil
    },
    ConfigRule("task.label_column", with: "task.name") { config in
      config.task.name != .tsv && config.task.labelColumn != nil ? onlyForTSV(config) : nil
    },
    ConfigRule("task.text_columns", with: "task.name", "task.has_header") { config in
      unnamed(config.task.textColumns ?? [], in: config.task)
    },
    ConfigRule("task.label_column", with: "task.name", "task.has_header") { config in
      unnamed(config.task.labelColumn.map { [$0] } ?? [], in: config.task)
    },
  ]

  private static let selection = [
    ConfigRule("training.eval_steps", with: "training.eval_strategy") { config in
      guard config.training.evalStrategy == .steps, config.training.evalSteps == 0 else { return nil }
      return "must be at least 1 with eval_strategy \"steps\""
    },
    ConfigRule("training.metric_for_best_model", with: "task.name") { config in
      let names = config.task.name.metricNames
      guard let metric = config.training.metricForBestModel, !names.contains(metric) else { return nil }
      let known = names.joined(separator: ", ")
      return "task \(config.task.name.rawValue) has no metric \"\(metric)\", only \(known)"
    },
    ConfigRule("training.label_smoothing_factor", with: "task.name") { config in
      let name = config.task.name, models: [TaskName] = [.causalLM, .instruct, .e2e, .multipleChoice]
      guard config.training.labelSmoothingFactor > 0, !models.contains(name) else { return nil }
      return "is for language models; task \(name.rawValue) has no smoothing"
    },
    ConfigRule("training.load_best_model_at_end", with: "training.eval_strategy") { config in
      guard config.training.loadBestModelAtEnd, config.training.evalStrategy == .no else { return nil }
      return "needs an eval_strategy other than \"no\""
    },
    ConfigRule("training.early_stopping_patience", with: "training.eval_strategy") { config in
      guard config.training.earlyStoppingPatience > 0, config.training.evalStrategy == .no else { return nil }
      return "needs an eval_strategy other than \"no\""
    },
    ConfigRule("training.early_stopping_patience", with: "training.metric_for_best_model") { config in
      let training = config.training
      guard training.earlyStoppingPatience > 0, training.metricForBestModel == nil else { return nil }
      return "needs metric_for_best_model"
    },
  ]

  private static func onlyForTSV(_ config: RunConfig) -> String {
    "is for task tsv only; task \(config.task.name.rawValue) has columns of its own"
  }

  private static func unnamed(_ columns: [Column], in task: TaskConfig) -> String? {
    guard task.name == .tsv, !task.hasHeader else { return nil }
    for case .name(let name) in columns {
      return "without a header, a column is a 0-based number, not \"\(name)\""
    }
    return nil
  }
}
