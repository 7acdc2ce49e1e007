/// A part of a task's data.
public enum Split: String, Sendable, CaseIterable {
  case train, validation
  /// MNLI's second development set, from other genres than its training set.
  case validationMismatched = "validation_mismatched"
  case test
}
