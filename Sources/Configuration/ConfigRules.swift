import Adapters
import Tasks

/// A rule on how several values go together.
struct ConfigRule: Sendable {
  /// The value that the message points at.
  let path: String
  /// The other values the rule looks at: where one of them is wrong by itself, the rule is not asked.
  let others: [String]
  let problem: @Sendable (RunConfig) -> String?

  static let all = files + options + columns + adapter + merging + methods + adoption + levels + additions + selection

  private static let files = [
    forTask("task.data_dir", with: "task.train_file") { task, config in
      guard task.comesAsDirectory, config.task.dataDir == nil, config.task.trainFile == nil else { return nil }
      return "task \(task.name) needs data_dir, or train_file"
    },
    forTask("task.data_dir") { task, config in
      guard !task.hasFileNames, config.task.dataDir != nil else { return nil }
      return "the files of a table have no names of their own; task \(task.name) needs train_file"
    },
    forTask("task.train_file") { task, config in
      guard !task.comesAsDirectory, config.task.trainFile == nil, config.task.dataDir == nil else { return nil }
      return "task \(task.name) needs train_file" + (task.hasFileNames ? ", or data_dir" : "")
    },
    ConfigRule(path: "task.validation_split", others: ["task.validation_file"]) { config in
      config.task.validationSplit != nil && config.task.validationFile != nil ? "cannot go with validation_file" : nil
    },
    ConfigRule(path: "task.class_weights", others: ["task.problem_type"]) { config in
      guard config.task.classWeights != nil, let problem = config.task.problemType, problem != .singleLabel else {
        return nil
      }
      return "cannot go with problem_type \(problem.rawValue)"
    },
    ConfigRule(path: "task.label_names", others: ["task.problem_type"]) { config in
      config.task.labelNames != nil && config.task.problemType == .regression
        ? "cannot go with problem_type regression" : nil
    },
    ConfigRule(path: "task.label_separator", others: ["task.problem_type"]) { config in
      config.task.labelSeparator != nil && config.task.problemType != .multiLabel
        ? "needs problem_type multi_label_classification" : nil
    },
    forTask("task.fewshot_file", with: "task.num_fewshot") { task, config in
      guard task.options.contains(.fewshotFile), config.task.fewshotFile != nil, config.task.numFewshot == 0 else {
        return nil
      }
      return "requires num_fewshot above 0"
    },
    forTask("task.prompt_template", with: "task.chat_template") { _, config in
      guard config.task.chatTemplate != nil, config.task.promptTemplate != nil else { return nil }
      return "is the older name of chat_template: give one of them"
    },
  ]

  /// Options that only some tasks take, and those that a task cannot do without. `has_header` has a default, so that it
  /// is judged with the data.
  private static let options = TaskOption.allCases.filter { $0 != .hasHeader }.flatMap { option in
    [
      forTask("task.\(option.rawValue)") { task, config in
        guard !task.options.contains(option), option.isGiven(config.task) else { return nil }
        let isColumn = option == .textColumns || option == .labelColumn
        let takers = config.catalog.tasks.filter { $0.options.contains(option) }.map(\.name)
        let names =
          takers.count > 2
          ? takers.dropLast().joined(separator: ", ") + " and " + takers[takers.count - 1]
          : takers.joined(separator: " and ")
        return "only applies to \(takers.count == 1 ? "task" : "tasks") \(names)"
          + (isColumn ? "; task \(task.name) has columns of its own" : "")
      },
      forTask("task.\(option.rawValue)") { task, config in
        guard task.requiredOptions.contains(option), !option.isGiven(config.task) else { return nil }
        return "task \(task.name) needs \(option.rawValue)"
      },
    ]
  }

  private static let columns = ["task.text_columns", "task.label_column"].map { path in
    forTask(path, with: "task.has_header") { task, config in
      guard task.options.contains(.textColumns), !config.task.hasHeader else { return nil }
      let texts = path == "task.text_columns"
      for case .name(let name) in texts ? config.task.textColumns ?? [] : [config.task.labelColumn].compactMap(\.self) {
        return "without a header, a column is a 0-based number, not \"\(name)\""
      }
      return nil
    }
  }

  private static let adapter = [
    ConfigRule(path: "adapter.layers_to_transform", others: ["adapter.target_modules"]) { config in
      if case .suffixes = config.adapter.targetModules { return nil }
      return config.adapter.layersToTransform == nil ? nil : "needs target_modules as a list of names, as in PEFT"
    },
    ConfigRule(path: "adapter.layers_pattern", others: ["adapter.layers_to_transform"]) { config in
      config.adapter.layersPattern != nil && config.adapter.layersToTransform == nil ? "needs layers_to_transform" : nil
    },
  ]

  /// What merges go by, beside groups that are fixed before the first step. A run's own config gives every key that has
  /// no null, so that only another value than the default is a contradiction.
  private static let merging = [
    withoutMerges("start_step") { $0.startStep != nil },
    withoutMerges("merge_interval") { $0.mergeInterval != nil },
    withoutMerges("candidates") { $0.candidates != ASLoRAOptions().candidates },
    withoutMerges("metric") { $0.metric != ASLoRAOptions().metric },
    withoutMerges("direction") { $0.direction != ASLoRAOptions().direction },
  ]

  private static func withoutMerges(_ key: String, isGiven: @escaping @Sendable (ASLoRAOptions) -> Bool) -> ConfigRule {
    ConfigRule(path: "adapter.aslora.\(key)", others: ["adapter.aslora.merging"]) { config in
      config.adapter.aslora.isStatic && isGiven(config.adapter.aslora)
        ? "cannot go with merging at_start, which merges nothing while training" : nil
    }
  }

  private static let selection = [
    ConfigRule(path: "training.eval_steps", others: ["training.eval_strategy"]) { config in
      guard config.training.evalStrategy == .steps, config.training.evalSteps == 0 else { return nil }
      return "must be at least 1 with eval_strategy \"steps\""
    },
    forTask("training.metric_for_best_model") { task, config in
      guard let metric = config.training.metricForBestModel else { return nil }
      var names = config.task.metrics.map { $0 + ["loss"] } ?? []
      if names.isEmpty {
        for name in (task.setMetrics + task.metrics).map(\.name) where !names.contains(name) { names.append(name) }
      }
      if names.contains(metric) { return nil }
      let isKnown = task.options.contains(.metrics) && config.catalog.metrics.contains { $0.name == metric }
      return "task \(task.name) has no metric \"\(metric)\", only \(names.joined(separator: ", "))"
        + (isKnown ? "; task.metrics can name it" : "")
    },
    forTask("training.label_smoothing_factor") { task, config in
      guard config.training.labelSmoothingFactor > 0 else { return nil }
      if case .fixed(.regression) = task.labels { return "is for classes; task \(task.name) is a regression" }
      guard let problem = config.task.problemType, problem != .singleLabel else { return nil }
      return "cannot go with problem_type \(problem.rawValue)"
    },
    ConfigRule(path: "training.load_best_model_at_end", others: ["training.eval_strategy"]) { config in
      config.training.loadBestModelAtEnd && config.training.evalStrategy == .no ? needsEvaluation : nil
    },
    ConfigRule(path: "training.early_stopping_patience", others: ["training.eval_strategy"]) { config in
      config.training.earlyStoppingPatience > 0 && config.training.evalStrategy == .no ? needsEvaluation : nil
    },
    ConfigRule(path: "training.early_stopping_patience", others: ["training.metric_for_best_model"]) { config in
      let training = config.training
      guard training.earlyStoppingPatience > 0, training.metricForBestModel == nil else { return nil }
      return "needs metric_for_best_model"
    },
  ]

  private static let needsEvaluation = "needs an eval_strategy other than \"no\""

  private static func forTask(
    _ path: String, with others: String..., problem: @escaping @Sendable (Task, RunConfig) -> String?
  ) -> ConfigRule {
    ConfigRule(path: path, others: ["task.name"] + others) { config in
      (try? config.knownTask()).flatMap { problem($0, config) }
    }
  }
}
