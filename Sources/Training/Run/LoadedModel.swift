import Models
import Tasks

/// A run's model, for its task.
public enum LoadedModel: Sendable {
  case classifier(LoadedClassifier)
  case language(LanguageModel)

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
