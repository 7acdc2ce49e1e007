import Diagnostics
import Kernels

/// What can keep a run from starting, beside its inputs.
public enum RunError: UserFacingError, Equatable {
  /// bfloat16 training would be slower than float32 here.
  case noBFloat16
  /// A run is already in the output directory.
  case outputTaken(directory: String, file: String)
  /// The output directory cannot be made.
  case outputUnusable(directory: String, reason: String)
  /// Another process trains into the output directory.
  case outputLocked(directory: String, holder: String)
  /// `--resume` of a run that finished without leaving a checkpoint.
  case nothingToResume(directory: String)
  /// Every checkpoint is damaged.
  case noWholeCheckpoint(directory: String, damages: [String])
  /// `--resume` with a config that gives another result.
  case configChanged(checkpoint: String, differences: [String])
  /// A directory without a run in it.
  case notARun(directory: String, missing: String)
  /// A model or adapter that gives infinite scores or none.
  case scoresNotFinite(split: String, example: Int)
  /// `max_seq_length` leaves no room beside the special tokens.
  case noRoomForText(maxLength: Int, special: Int)
  /// A training split without examples.
  case noExamples(file: String)
  /// Evaluation is asked for and there is no validation file.
  case nothingToEvaluate(task: String)
  /// Scores are asked for and the file has no labels.
  case noLabels(file: String)
  /// Something that only classification tasks have.
  case notAClassification(task: String, verb: String)
  /// Texts for meaning representations are asked for, and the task has none.
  case noMeanings(task: String)
  /// A run that learnt to classify is asked for text.
  case noLanguageModel(directory: String, task: String)
  /// A prompt that leaves no room for its continuation.
  case promptTooLong(tokens: Int, limit: Int)
  /// The adapter was trained for other labels.
  case headMismatch(directory: String, tensor: String, found: [Int], expected: [Int])

  /// What is wrong, where, and what would be right.
  public var description: String {
    switch self {
    case .noBFloat16:
      Products.libraryName == "oneDNN"
        ? "training.precision: this processor has no bfloat16 instructions (AVX512-BF16 or AMX), without which bfloat16 "
          + "is slower than float32; use \"float32\""
        : "training.precision: bfloat16 needs oneDNN, which this program was built without (install libdnnl-dev and "
          + "build again); use \"float32\""
    case .outputTaken(let directory, let file):
      "\(directory): already holds a run (\(file)); choose another output_dir, or pass --resume to continue it or "
        + "--overwrite to replace it"
    case .outputUnusable(let directory, let reason): "\(directory): cannot be created: \(reason)"
    case .outputLocked(let directory, let holder): "\(directory): is being trained into by \(holder)"
    case .nothingToResume(let directory):
      "\(directory): holds a run without a checkpoint, which cannot go on; --overwrite starts anew"
    case .noWholeCheckpoint(let directory, let damages):
      (damages + ["\(directory): no checkpoint is whole; --overwrite starts anew"]).joined(separator: "\n")
    case .configChanged(let checkpoint, let differences):
      (["\(checkpoint): cannot be resumed, since the result would be another:"] + differences.map { "  \($0)" }
        + ["resume with the old values, or start anew with --overwrite"]).joined(separator: "\n")
    case .notARun(let directory, let missing): "\(directory): holds no run (\(missing) is missing)"
    case .scoresNotFinite(let split, let example):
      "\(split): the scores of example \(example) are not finite numbers: the adapter or the model is damaged"
    case .noRoomForText(let maxLength, let special):
      "task.max_seq_length: \(maxLength) leaves no room for text beside \(special) special tokens"
    case .noExamples(let file): "\(file): has no training examples"
    case .nothingToEvaluate(let task):
      "training.eval_strategy: \(task) has no validation file to score; give one, or set eval_strategy to no"
    case .noLabels(let file):
      "\(file): has no labels, so there is nothing to score; --predictions FILE writes what the model says"
    case .notAClassification(let task, let verb):
      "\(verb): the task \(task) has no labels to predict; swift-peft generate continues texts"
    case .noMeanings(let task): "the task \(task) has no meaning representations to put into words; e2e has"
    case .noLanguageModel(let directory, let task):
      "\(directory): the task \(task) gives labels, no text; swift-peft predict labels texts"
    case .promptTooLong(let tokens, let limit):
      "the prompt's \(tokens) tokens leave no room to go on: the model has positions for \(limit)"
    case .headMismatch(let directory, let tensor, let found, let expected):
      "\(directory): the head's \(tensor) has the shape \(found), this task needs \(expected)"
    }
  }

  /// As in the contract.
  public var exitStatus: ExitStatus {
    switch self {
    case .outputTaken, .outputUnusable, .outputLocked, .nothingToResume: .cannotCreate
    case .notARun: .missingInput
    case .noWholeCheckpoint, .configChanged, .noBFloat16, .noExamples, .scoresNotFinite, .noRoomForText,
      .nothingToEvaluate, .noLabels, .headMismatch, .notAClassification, .noMeanings, .noLanguageModel,
      .promptTooLong:
      .badInput
    }
  }
}
