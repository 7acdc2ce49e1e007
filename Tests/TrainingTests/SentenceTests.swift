import Diagnostics
import Kernels
import Testing

@testable import Training

/// Every error of this module, by its whole sentence and its exit status.
@Suite struct SentenceTests {
  private func check(
    _ error: some UserFacingError, _ sentence: String, _ status: Diagnostics.ExitStatus = .badInput,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(error.description == sentence, sourceLocation: sourceLocation)
    #expect(error.exitStatus == status, sourceLocation: sourceLocation)
  }

  @Test func outputDirectories() {
    check(
      RunError.outputTaken(directory: "runs/a", file: "adapter_config.json"),
      "runs/a: already holds a run (adapter_config.json); choose another output_dir, or pass --resume to continue it "
        + "or --overwrite to replace it", .cannotCreate
    )
    check(
      RunError.outputUnusable(directory: "runs/a", reason: "runs is a file"),
      "runs/a: cannot be created: runs is a file", .cannotCreate
    )
    check(
      RunError.outputLocked(directory: "runs/a", holder: "another process"),
      "runs/a: in use by a training run: another process", .cannotCreate
    )
    check(
      RunError.nothingToResume(directory: "runs/a"),
      "runs/a: holds a run without a checkpoint to resume from; --overwrite starts anew", .cannotCreate
    )
    check(
      RunError.noWholeCheckpoint(directory: "runs/a/checkpoints", damages: ["a: is missing", "b: is missing"]),
      "a: is missing\nb: is missing\nruns/a/checkpoints: all checkpoints are damaged; --overwrite starts anew"
    )
    check(
      RunError.noWholeCheckpoint(directory: "c", damages: ["1", "2", "3", "4", "5"]),
      "1\n2\n3\nand 2 more\nc: all checkpoints are damaged; --overwrite starts anew"
    )
    check(
      RunError.configChanged(checkpoint: "c/step-00000003", differences: ["adapter.r: 2, now 3"]),
      "c/step-00000003: cannot resume: these changes would alter the result:\n  adapter.r: 2, now 3\n"
        + "resume with the old values, or start anew with --overwrite"
    )
    check(
      RunError.notARun(directory: "runs/a", missing: "run_config.json"),
      "runs/a: not a run directory: run_config.json is missing", .missingInput
    )
    check(
      RunError.modelElsewhere(run: "runs/a", model: "models/b"),
      "runs/a: its model models/b is not here: the path is relative to the directory where train was started; go there, "
        + "or give the model's place with --set model=DIR (generate: DIR --adapter runs/a)", .missingInput
    )
  }

  @Test func dataAndModels() {
    check(
      RunError.noBFloat16,
      Products.libraryName == "oneDNN"
        ? "training.precision: this processor has no bfloat16 instructions (AVX512-BF16 or AMX), without which "
          + "bfloat16 is slower than float32; use \"float32\""
        : "training.precision: bfloat16 needs oneDNN, which this program was built without (install libdnnl-dev and "
          + "build again); use \"float32\""
    )
    check(
      RunError.scoresNotFinite(split: "test", example: 4),
      "test: the scores of example 4 are not finite; the adapter or the model is damaged"
    )
    check(
      RunError.noRoomForText(maxLength: 2, special: 2),
      "task.max_seq_length: 2 leaves no room for text beside 2 special tokens"
    )
    check(
      RunError.noRoomForText(maxLength: 1, special: 0),
      "task.max_seq_length: 1 leaves no room for text: a language model predicts each token from the one before"
    )
    check(RunError.noExamples(file: "train.tsv"), "train.tsv: has no training examples")
    check(
      RunError.nothingToEvaluate(task: "tsv"),
      "training.eval_strategy: tsv has no validation file to score; give one, or set eval_strategy to no"
    )
    check(
      RunError.noLabels(file: "test.tsv"),
      "test.tsv: has no labels to score against; --predictions FILE writes the predictions"
    )
    check(
      RunError.notAClassification(task: "instruct", verb: "predict"),
      "predict: task instruct has no labels to predict; use swift-peft generate to continue texts"
    )
    check(
      RunError.noLabelSmoothing(task: "tsv"),
      "training.label_smoothing_factor: is for language models and for texts with one of some classes each; what task tsv "
        + "learns here has no smoothing"
    )
    check(RunError.noMeanings(task: "sst2"), "task sst2 has no meaning representations; only e2e does")
    check(
      RunError.noLanguageModel(directory: "runs/a", task: "sst2"),
      "runs/a: task sst2 predicts labels and cannot generate text; use swift-peft predict"
    )
    check(
      RunError.promptTooLong(tokens: 70, limit: 64),
      "the prompt's 70 tokens leave no room for a continuation: the model's limit is 64"
    )
    check(
      RunError.otherTaskType(directory: "a", found: "SEQ_CLS", expected: "TOKEN_CLS"),
      "a: the adapter was trained for SEQ_CLS; this task is TOKEN_CLS"
    )
    check(
      RunError.headMismatch(directory: "a", tensor: "classifier.weight", found: [3, 8], expected: [2, 8]),
      "a: the head's classifier.weight has the shape [3, 8]; this task needs [2, 8]"
    )
  }

  @Test func training() {
    func step(_ what: NonFiniteStep.Quantity, _ shard: Int?, _ examples: [Int], _ operation: String?) -> TrainingError {
      .notFinite(
        NonFiniteStep(step: 3, what: what, shard: shard, shards: 2, examples: examples, operation: operation))
    }
    let advice = "; a lower training.learning_rate or training.max_grad_norm may help"
    check(
      step(.gradient, nil, [], nil),
      "step 3: the gradient is not a finite number; the step was not applied" + advice
    )
    check(
      step(.loss, 1, [7], "the loss"),
      "step 3: the loss is not a finite number; the step was not applied; first in the loss, shard 2 of 2, training "
        + "example 7" + advice
    )
    check(
      step(.loss, 0, Array(0..<10), "linear"),
      "step 3: the loss is not a finite number; the step was not applied; first in linear, shard 1 of 2, training "
        + "examples 0, 1, 2 and 7 more" + advice
    )
    check(
      TrainingError.metricNotReported("pearson", reported: ["accuracy", "loss"]),
      "training.metric_for_best_model: pearson is not reported for this data, only accuracy, loss"
    )
    check(
      CheckpointFailure(name: "step-00000004", reason: "disk full", newest: "step-00000002"),
      "checkpoint step-00000004 could not be written: disk full; --resume continues from step-00000002", .ioError
    )
    check(
      CheckpointFailure(name: "step-00000004", reason: "disk full", newest: nil),
      "checkpoint step-00000004 could not be written: disk full; there is no earlier one", .ioError
    )
    check(
      RecordingFailure(reason: "runs.sqlite: locked"),
      "runs.sqlite: locked; the output directory is complete but the database is not; --resume adds what is missing",
      .ioError
    )
    check(CheckpointDamage(path: "c/optimizer", problem: "is missing"), "c/optimizer: is missing")
  }

  @Test func exports() {
    check(ExportError.isPEFT(directory: "a"), "a: already in PEFT format")
    check(
      ExportError.adaptedPooler(directory: "m"),
      "m: has no pooler, and the adapter adapts the one that the run drew; PEFT cannot hold both; use merge"
    )
    check(
      ExportError.fileExists("a.gguf"),
      "a.gguf: already exists; choose another name, or pass --overwrite to replace it", .cannotCreate
    )
  }
}
