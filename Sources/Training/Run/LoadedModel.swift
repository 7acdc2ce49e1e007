import Configuration
import Kernels
import Models
import Tasks

/// A run's model, for its task.
public struct LoadedModel: Sendable {
  /// The model as objectives run it.
  let objectiveModel: ObjectiveModel
  /// Notes for the user: that a pooler or head had to be drawn, that a part of the model is left aside.
  public let notices: [String]
  /// The checkpoint's own head, if it has one that fits.
  let storedHead: [[Float]]?
  /// Drops the pages of the model's file from memory; they are read again when needed.
  let forgetPages: @Sendable () -> Void

  /// Loads the model in `directory`: with a head for `outputs`, or as a language model for nil. In int8 it stays as it is
  /// stored as long as there are no factors.
  init(
    _ directory: String, _ config: ModelConfig, outputs: Int?, head: HeadKind = .sequence, philox: Philox,
    precision: RunPrecision, holding: WeightHolding, int8: Int8Factors? = nil, packs: Bool = false
  ) throws {
    // What is to be rounded later is only looked at now, and needs no copies.
    let isUnrounded = precision == .int8 && int8 == nil, holding = isUnrounded ? .stored : holding
    let packs = packs && !isUnrounded, precision = isUnrounded ? .float32 : precision.activations
    guard let outputs else {
      let model = try LanguageModel(
        path: directory, config: config, precision: precision, holding: holding, int8: int8, packs: packs)
      (objectiveModel, notices, storedHead) = (.language(model), config.notices + model.notices, nil)
      forgetPages = { model.forgetPages() }
      return
    }
    let labels = config.labelProblem.map { ["labels are unknown: \($0)"] } ?? []
    if head == .tokens {
      let loaded = try LoadedTokenClassifier(
        path: directory, config: config, labels: outputs, precision: precision, holding: holding, int8: int8,
        packs: packs)
      (objectiveModel, storedHead) = (.tokens(loaded.model), loaded.storedHead)
      forgetPages = { loaded.forgetPages() }
      notices = config.notices + loaded.notices + labels
      return
    }
    let loaded = try LoadedClassifier(
      path: directory, config: config, labels: outputs, philox: philox, precision: precision, holding: holding,
      int8: int8,
      packs: packs)
    (objectiveModel, storedHead) = (.classifier(loaded.model), loaded.storedHead)
    forgetPages = { loaded.forgetPages() }
    notices = config.notices + loaded.notices + labels
  }
}
