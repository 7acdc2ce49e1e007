import Kernels
import Models
import Tasks

/// A run's model, for its task.
public enum LoadedModel: Sendable {
  case classifier(LoadedClassifier)
  case language(LanguageModel)

  /// Loads the model in `directory`: with a head for `outputs`, or as a language model for nil.
  init(
    _ directory: String, _ config: ModelConfig, outputs: Int?, philox: Philox, precision: Precision
  ) throws {
    guard let outputs else {
      self = .language(try LanguageModel(path: directory, config: config, precision: precision))
      return
    }
    self = .classifier(
      try LoadedClassifier(path: directory, config: config, labels: outputs, philox: philox, precision: precision))
  }

  /// What a person should know: a pooler or head that had to be drawn.
  public var notices: [String] { if case .classifier(let loaded) = self { loaded.notices } else { [] } }

  /// The checkpoint's own head, where it has one that fits.
  var storedHead: [[Float]]? { if case .classifier(let loaded) = self { loaded.storedHead } else { nil } }

  /// The model as objectives run it.
  var objectiveModel: ObjectiveModel {
    switch self {
    case .classifier(let loaded): .classifier(loaded.model)
    case .language(let model): .language(model)
    }
  }
}
