import Configuration
import Diagnostics
import Metrics
import Tasks

/// Which splits are scored while training: validation, and MNLI's second one, where their files are there.
public struct EvaluationSplits: Sendable {
  /// Those with a file; the first one ranks states.
  public let present: [Split]
  /// What a person should know: a split that the task has and that is not there.
  public let notices: [String]

  /// Looks for the files. Throws where the config wants scores and there is nothing to score, and where a file that the
  /// config names itself is missing.
  public init(_ task: RunTask, strategy: EvalStrategy) throws {
    var present: [Split] = [], absent: [any UserFacingError] = []
    for split in [Split.validation, .validationMismatched] where task.splits.contains(split) {
      do {
        _ = try task.file(split)
        present.append(split)
      } catch let error as TaskError {
        if split == .validation, task.namesValidationFile { throw error }
        absent.append(error)
      }
    }
    if present.isEmpty, strategy != .no {
      if let missing = absent.first, missing.exitStatus == .missingInput { throw missing }
      throw RunError.nothingToEvaluate(task: task.name)
    }
    self.present = present
    notices =
      present.isEmpty
      ? ["there is no validation file: nothing will be scored"] : absent.map { "not scored: \($0)" }
  }
}
