import Diagnostics
import Kernels
import Models

/// Why a run cannot start or be used, apart from errors in its inputs.
public enum RunError: UserFacingError, Equatable {
  /// bfloat16 training would be slower than float32 here.
  case noBFloat16
  /// int8 products would be slower than others here, or wrong.
  case noInt8
  /// A run in int8 without its column factors.
  case noInt8Factors(directory: String)
  /// A run is already in the output directory.
  case outputTaken(directory: String, file: String)
  /// The output directory cannot be made.
  case outputUnusable(directory: String, reason: String)
  /// Another process is training into the output directory.
  case outputLocked(directory: String, holder: String)
  /// `--resume` of a run that finished without leaving a checkpoint.
  case nothingToResume(directory: String)
  /// Every checkpoint is damaged.
  case noWholeCheckpoint(directory: String, damages: [String])
  /// `--resume` with a config that would alter the result.
  case configChanged(checkpoint: String, differences: [String])
  /// A directory without a run in it.
  case notARun(directory: String, missing: String)
  /// The run's model is a relative path, and there is nothing at it from here.
  case modelElsewhere(run: String, model: String)
  /// The model or the adapter gives infinite scores, or NaN.
  case scoresNotFinite(split: String, example: Int)
  /// `max_seq_length` leaves no room beside the special tokens.
  case noRoomForText(maxLength: Int, special: Int)
  /// A training split without examples.
  case noExamples(file: String)
  /// Evaluation is on, but there is no validation file.
  case nothingToEvaluate(task: String)
  /// The file to be scored has no labels.
  case noLabels(file: String)
  /// The task's loss has nothing to smooth.
  case noLabelSmoothing(task: String)
  /// The task has no labels to predict.
  case notAClassification(task: String, verb: String)
  /// The task has no meaning representations.
  case noMeanings(task: String)
  /// The run was trained to predict labels, not to generate text.
  case noLanguageModel(directory: String, task: String)
  /// The prompt leaves no room for a continuation.
  case promptTooLong(tokens: Int, limit: Int)
  /// The adapter was trained for other labels.
  case headMismatch(directory: String, tensor: String, found: [Int], expected: [Int])
  /// The adapter's head labels something else.
  case otherTaskType(directory: String, found: String, expected: String)

  /// One exact sentence, or a few lines.
  public var description: String {
    switch self {
    case .noBFloat16:
      Products.libraryName == "oneDNN"
        ? "training.precision: this processor has no bfloat16 instructions (AVX512-BF16 or AMX), without which bfloat16 "
          + "is slower than float32; use \"float32\""
        : "training.precision: bfloat16 needs oneDNN, which this program was built without (install libdnnl-dev and "
          + "build again); use \"float32\""
    case .noInt8:
      Products.hasBFloat16
        ? "training.precision: this processor has no instructions that add products of eight-bit numbers exactly "
          + "(AVX512-VNNI or AMX); use \"bfloat16\""
        : "training.precision: int8 needs bfloat16 for everything but the frozen linear maps, and this machine has neither "
          + "(swift-peft doctor says why); use \"float32\""
    case .noInt8Factors(let directory):
      "\(directory): has no \(Int8Factors.fileName), as runs in int8 have, without which its base model cannot be rounded "
        + "as it was; --set training.precision=bfloat16 scores it with the unrounded one"
    case .outputTaken(let directory, let file):
      "\(directory): already holds a run (\(file)); choose another output_dir, or pass --resume to continue it or "
        + "--overwrite to replace it"
    case .outputUnusable(let directory, let reason): "\(directory): cannot be created: \(reason)"
    case .outputLocked(let directory, let holder): "\(directory): in use by a training run: \(holder)"
    case .nothingToResume(let directory):
      "\(directory): holds a run without a checkpoint to resume from; --overwrite starts anew"
    case .noWholeCheckpoint(let directory, let damages):
      (damages.prefix(3) + (damages.count > 3 ? ["and \(damages.count - 3) more"] : [])
        + ["\(directory): all checkpoints are damaged; --overwrite starts anew"]).joined(separator: "\n")
    case .configChanged(let checkpoint, let differences):
      (["\(checkpoint): cannot resume: these changes would alter the result:"] + differences.map { "  \($0)" }
        + ["resume with the old values, or start anew with --overwrite"]).joined(separator: "\n")
    case .notARun(let directory, let missing): "\(directory): not a run directory: \(missing) is missing"
    case .modelElsewhere(let run, let model):
      "\(run): its model \(model) is not here: the path is relative to the directory where train was started; go there, or "
        + "give the model's place with --set model=DIR (generate: DIR --adapter \(run))"
    case .scoresNotFinite(let split, let example):
      "\(split): the scores of example \(example) are not finite; the adapter or the model is damaged"
    case .noRoomForText(let maxLength, let special):
      "task.max_seq_length: \(maxLength) leaves no room for text"
        + (special > 0
          ? " beside \(special) special tokens" : ": a language model predicts each token from the one before")
    case .noExamples(let file): "\(file): has no training examples"
    case .nothingToEvaluate(let task):
      "training.eval_strategy: \(task) has no validation file to score; give one, or set eval_strategy to no"
    case .noLabels(let file):
      "\(file): has no labels to score against; --predictions FILE writes the predictions"
    case .noLabelSmoothing(let task):
      "training.label_smoothing_factor: is for language models and for texts with one of some classes each; what task "
        + "\(task) learns here has no smoothing"
    case .notAClassification(let task, let verb):
      "\(verb): task \(task) has no labels to predict; use swift-peft generate to continue texts"
    case .noMeanings(let task): "task \(task) has no meaning representations; only e2e does"
    case .noLanguageModel(let directory, let task):
      "\(directory): task \(task) predicts labels and cannot generate text; use swift-peft predict"
    case .promptTooLong(let tokens, let limit):
      "the prompt's \(tokens) tokens leave no room for a continuation: the model's limit is \(limit)"
    case .otherTaskType(let directory, let found, let expected):
      "\(directory): the adapter was trained for \(found); this task is \(expected)"
    case .headMismatch(let directory, let tensor, let found, let expected):
      "\(directory): the head's \(tensor) has the shape \(found); this task needs \(expected)"
    }
  }

  /// 65 for bad input, 66 for a missing run, 73 for the output directory.
  public var exitStatus: ExitStatus {
    switch self {
    case .outputTaken, .outputUnusable, .outputLocked, .nothingToResume: .cannotCreate
    case .notARun, .modelElsewhere: .missingInput
    case .noWholeCheckpoint, .configChanged, .noBFloat16, .noInt8, .noInt8Factors, .noExamples, .scoresNotFinite,
      .noRoomForText,
      .nothingToEvaluate, .noLabels, .noLabelSmoothing, .headMismatch, .otherTaskType, .notAClassification, .noMeanings,
      .noLanguageModel,
      .promptTooLong:
      .badInput
    }
  }
}
