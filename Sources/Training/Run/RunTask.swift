import Configuration
import Diagnostics
import Metrics
import Models
import Tasks

/// What a run learns: to classify texts, or to predict their next tokens.
public enum RunTask: Sendable {
  case classification(TaskData)
  case language(LanguageTaskData)

  /// The task of a config, for the model in the directory `model`. `knownLabels` are those of a saved head.
  init(_ config: TaskConfig, model: String, knownLabels: LabelSpace? = nil) throws {
    if let task = config.name.languageTask {
      self = .language(try LanguageTaskData(config, task: task, model: model))
    } else {
      self = .classification(try TaskData(TaskSource(config), knownLabels: knownLabels))
    }
  }

  /// The classification task, where it is one.
  public var classification: TaskData? { if case .classification(let data) = self { data } else { nil } }

  /// The labels, in the order of the head's outputs; nil without a head.
  public var labels: LabelSpace? { classification?.labels }

  /// What a classification is scored by; a language model is scored by its loss.
  public var metrics: [Metric] { classification?.metrics ?? [] }

  /// The name in a config.
  var name: String {
    switch self {
    case .classification(let data): data.definition.name
    case .language(let task): task.config.name.rawValue
    }
  }

  /// The splits that it can have.
  var splits: [Split] { classification?.definition.splits ?? [.train, .validation, .test] }

  /// Whether the config itself names the validation file.
  var namesValidationFile: Bool {
    switch self {
    case .classification(let data): data.source.validationFile != nil
    case .language(let task): task.config.validationFile != nil
    }
  }

  /// The file of `split`. Throws where the task has none.
  public func file(_ split: Split) throws -> String {
    switch self {
    case .classification(let data): try data.file(split)
    case .language(let task): try task.source.path(split)
    }
  }
}

/// A run's model, for its task.
public enum LoadedModel: Sendable {
  case classifier(LoadedClassifier)
  case language(LanguageModel)

  /// What a person should know: a pooler or head that had to be drawn.
  public var notices: [String] { if case .classifier(let loaded) = self { loaded.notices } else { [] } }

  /// The checkpoint's own head, where it has one that fits.
  var storedHead: [[Float]]? { if case .classifier(let loaded) = self { loaded.storedHead } else { nil } }
}

extension TaskName {
  /// Whether the task trains a language model to predict text.
  public var isLanguageModelling: Bool { languageTask != nil }

  /// The task by the name that its data has.
  var languageTask: LanguageTask? { LanguageTask(rawValue: rawValue) }
}
