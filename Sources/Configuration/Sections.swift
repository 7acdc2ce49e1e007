import Adapters
import Diagnostics
import Kernels
import StrictJSON
import Tasks

/// The adapter: how its matrices are shared, their rank, and where they sit.
public struct AdapterConfig: Sendable, Equatable {
  /// Which sites share which matrices; `none` trains the head alone.
  public var strategy = "lora"
  /// The rank.
  public var r = 8
  /// The update is scaled by `lora_alpha / r`.
  public var loraAlpha = 16.0
  /// The probability with which an input of A is dropped.
  public var loraDropout = 0.0
  /// Scale by `lora_alpha / √r` instead.
  public var useRSLoRA = false
  /// The linear maps that are adapted.
  public var targetModules = TargetModules.suffixes(["query", "value"])
  /// Maps that are not adapted although `target_modules` names them.
  public var excludeModules: TargetModules?
  /// Only these layers are adapted.
  public var layersToTransform: [Int]?
  /// What stands before a layer's number in paths.
  public var layersPattern: [String]?
  /// Ranks of maps that have another one.
  public var rankPattern: [ModuleValue<Int>]?
  /// alphas of maps that have another one.
  public var alphaPattern: [ModuleValue<Double>]?
  /// A native or PEFT adapter directory to start from.
  public var initFrom: String?
  /// LoRA+: the learning rate of B's and vectors, in units of `learning_rate`; nil: all train alike.
  public var loraPlusRatio: Double?
  /// DoRA's magnitudes on the method's products.
  public var useDoRA: Bool?
  /// What A and B start with; nil for LoRA's own.
  public var initLoRAWeights: AdapterStart?
  /// Whether maps that share a tensor start from the mean of their weights.
  public var initFromMean: Bool?
  /// CLoRA's penalty, if the run has it.
  public var clora: CLoRAOptions?
  /// When and how `aslora` merges; without effect on other strategies.
  public var aslora = ASLoRAOptions()
  /// The options of other methods, by their names, as far as they are given.
  public var options: [String: MethodValues] = [:]

  /// Every default.
  public init() {}

  /// Which maps are adapted, with which rank and scale.
  public var placement: AdapterPlacement {
    var selection = TargetSelection(targetModules)
    (selection.excluded, selection.layers) = (excludeModules, layersToTransform)
    selection.layersPattern = layersPattern ?? []
    var placement = AdapterPlacement(selection, r: r, loraAlpha: loraAlpha, useRSLoRA: useRSLoRA)
    (placement.rankPattern, placement.alphaPattern) = (rankPattern ?? [], alphaPattern ?? [])
    return placement
  }

  /// The method, with its options. Throws if none of `methods` has its name.
  public func method(among methods: [AdapterMethod]) throws -> AdapterMethod {
    var method = try AdapterMethod.named(strategy, among: methods).with(options[strategy] ?? MethodValues())
      .with(additions)
    if let loraPlusRatio { method = method.withLoRAPlus(ratio: loraPlusRatio) }
    if let clora { method = method.withCLoRA(clora) }
    return method
  }

  /// What changes the method's tensors.
  var additions: MethodAdditions {
    var additions = MethodAdditions()
    (additions.usesDoRA, additions.startsFromMean) = (useDoRA ?? false, initFromMean ?? false)
    additions.start = initLoRAWeights ?? .standard
    return additions
  }

  /// The options of procedures.
  public var methodOptions: MethodOptions { MethodOptions(aslora: aslora) }
}

extension AdapterConfig: ConfigSection {
  static func fields(_ catalog: Catalog) -> [Field<AdapterConfig>] {
    [
      Field("strategy", \.strategy, .name(of: catalog.methods.map(\.name))),
      Field("r", \.r, .integer(1...)),
      Field("lora_alpha", \.loraAlpha, .number(above: 0)),
      Field("lora_dropout", \.loraDropout, .number(atLeast: 0, below: 1)),
      Field("use_rslora", \.useRSLoRA, .truth),
      Field("target_modules", \.targetModules, .targets),
      Field("exclude_modules", optional: \.excludeModules, .excluded).omittedIfNull,
      Field("layers_to_transform", optional: \.layersToTransform, .layers).omittedIfNull,
      Field("layers_pattern", optional: \.layersPattern, .textOrTexts).omittedIfNull,
      Field("rank_pattern", optional: \.rankPattern, .byPattern("a rank", .integer(1...))).omittedIfNull,
      Field("alpha_pattern", optional: \.alphaPattern, .byPattern("an alpha", .number(above: 0))).omittedIfNull,
      Field("init_from", optional: \.initFrom, .text),
      Field("lora_plus_ratio", optional: \.loraPlusRatio, .number(atLeast: 1)).omittedIfNull,
      Field("use_dora", optional: \.useDoRA, .truth).omittedIfNull,
      Field("init_lora_weights", optional: \.initLoRAWeights, .start).omittedIfNull,
      Field("init_from_mean", optional: \.initFromMean, .truth).omittedIfNull,
      Field("clora", optionalSection: \.clora, from: CLoRAOptions(), catalog),
      Field("aslora", section: \.aslora, catalog),
    ] + catalog.methods.filter { !$0.declaredOptions.isEmpty }.map(Field.init(optionsOf:))
  }
}

extension CLoRAOptions: ConfigSection {
  static func fields(_ catalog: Catalog) -> [Field<CLoRAOptions>] {
    [
      Field("lambda", \.lambda, .number(above: 0)),
      // P has this many columns, and is drawn whole.
      Field("k", \.k, .integer(1..., limit: 1 << 16)),
      Field("seed", \.seed, .integer(0..., limit: .max)),
    ]
  }
}

extension ASLoRAOptions: ConfigSection {
  static func fields(_ catalog: Catalog) -> [Field<ASLoRAOptions>] {
    [
      Field("start_step", optional: \.startStep, .integer(0...)),
      Field("merge_interval", optional: \.mergeInterval, .integer(1...)),
      Field("num_merges", optional: \.numMerges, .integer(0...)),
      Field("candidates", \.candidates, .choice),
      Field("metric", \.metric, .choice),
      Field("direction", \.direction, .choice),
      Field("merging", optional: \.merging, .choice).omittedIfNull,
    ]
  }
}

/// How long, how fast and in what precision is trained; names and meanings are those of HF `TrainingArguments`.
public struct TrainingConfig: Sendable, Equatable {
  /// Passes over the training data; may be fractional.
  public var numTrainEpochs = 3.0
  /// If above 0, the number of optimiser steps, whatever the epochs.
  public var maxSteps = -1
  /// Examples per micro-batch.
  public var trainBatchSize = 32
  /// Examples per batch of an evaluation.
  public var evalBatchSize = 64
  /// Micro-batches per optimiser step.
  public var gradientAccumulationSteps = 1
  /// The schedule's peak.
  public var learningRate = 4e-4
  /// AdamW's decoupled decay.
  public var weightDecay = 0.1
  /// AdamW's decay rate of the first moment.
  public var adamBeta1 = 0.9
  /// AdamW's decay rate of the second moment.
  public var adamBeta2 = 0.999
  /// AdamW's ε.
  public var adamEpsilon = 1e-8
  /// The share of each target that is spread over all classes, or over a language model's whole vocabulary.
  public var labelSmoothingFactor = 0.0
  /// Gradients are scaled down to this norm; 0: never.
  public var maxGradNorm = 1.0
  /// The learning rate's course.
  public var lrSchedulerType = LRSchedulerType.linear
  /// The share of all steps that warms up, if `warmup_steps` is 0.
  public var warmupRatio = 0.06
  /// Steps that warm up; if above 0, overrides `warmup_ratio`.
  public var warmupSteps = 0
  /// The seed of initialisation, shuffling and dropout.
  public var seed = 42
  /// Shuffle each epoch; otherwise keep file order.
  public var shuffle = true
  /// Number type of matrix products.
  public var precision = RunPrecision.float32
  /// How frozen matrices are held; nil: resident, but of a GGUF file as stored where the copies would take more than half
  /// of the memory.
  public var weights: WeightHolding?
  /// Make the activations of a block again in the backward pass instead of keeping them: less memory, a third more time.
  public var gradientCheckpointing = false
  /// Tokens of a shard, the part of a batch that one thread takes through the model; nil: 512, of small batches fewer.
  public var shardTokens: Int?
  /// Steps between two log lines.
  public var loggingSteps = 10
  /// When the validation data is scored.
  public var evalStrategy = EvalStrategy.epoch
  /// Steps between two evaluations, for `eval_strategy` "steps".
  public var evalSteps = 0
  /// Steps between two checkpoints; 0: only one at the end.
  public var saveSteps = 500
  /// How many checkpoints are kept; 0 or nil: all.
  public var saveTotalLimit: Int? = 2
  /// The validation metric that ranks models, without HF's prefix `eval_`.
  public var metricForBestModel: String?
  /// Whether the run ends with its best model instead of its last.
  public var loadBestModelAtEnd = false
  /// Evaluations without progress after which the run stops; 0: never.
  public var earlyStoppingPatience = 0
  /// The step with a NaN or infinite loss or gradient at which the run stops; those before it are skipped.
  public var maxNonfiniteSteps = 1

  /// Every default.
  public init() {}

  /// The metric that ranks models: the one given, or the loss as in HF.
  public var rankingMetric: String { metricForBestModel ?? "loss" }
}

extension TrainingConfig: ConfigSection {
  static func fields(_ catalog: Catalog) -> [Field<TrainingConfig>] {
    [
      Field("num_train_epochs", \.numTrainEpochs, .number(above: 0, atMost: 1e6)),
      Field("max_steps", \.maxSteps, .integer((-1)...)),
      Field("train_batch_size", \.trainBatchSize, .integer(1...)),
      Field("eval_batch_size", \.evalBatchSize, .integer(1...)),
      Field("gradient_accumulation_steps", \.gradientAccumulationSteps, .integer(1...)),
      Field("learning_rate", \.learningRate, .number(above: 0)),
      Field("weight_decay", \.weightDecay, .number(atLeast: 0)),
      Field("adam_beta1", \.adamBeta1, .number(atLeast: 0, below: 1)),
      Field("adam_beta2", \.adamBeta2, .number(atLeast: 0, below: 1)),
      Field("adam_epsilon", \.adamEpsilon, .number(above: 0)),
      Field("max_grad_norm", \.maxGradNorm, .number(atLeast: 0)),
      Field("label_smoothing_factor", \.labelSmoothingFactor, .number(atLeast: 0, below: 1)),
      Field("lr_scheduler_type", \.lrSchedulerType, .choice),
      Field("warmup_ratio", \.warmupRatio, .number(atLeast: 0, atMost: 1)),
      Field("warmup_steps", \.warmupSteps, .integer(0...)),
      Field("seed", \.seed, .integer(0..., limit: .max)),
      Field("shuffle", \.shuffle, .truth),
      Field("precision", \.precision, .choice),
      Field("weights", optional: \.weights, .choice),
      Field("gradient_checkpointing", \.gradientCheckpointing, .truth),
      Field("shard_tokens", optional: \.shardTokens, .integer(1...)),
      Field("logging_steps", \.loggingSteps, .integer(1...)),
      Field("eval_strategy", \.evalStrategy, .choice),
      Field("eval_steps", \.evalSteps, .integer(0...)),
      Field("save_steps", \.saveSteps, .integer(0...)),
      Field("save_total_limit", optional: \.saveTotalLimit, .integer(0...)),
      Field("metric_for_best_model", optional: \.metricForBestModel, .metric),
      Field("load_best_model_at_end", \.loadBestModelAtEnd, .truth),
      Field("early_stopping_patience", \.earlyStoppingPatience, .integer(0...)),
      Field("max_nonfinite_steps", \.maxNonfiniteSteps, .integer(1...)),
    ]
  }
}

/// The learning rate's course after the warm-up.
public enum LRSchedulerType: String, Sendable, CaseIterable {
  case linear, cosine
  /// No warm-up either.
  case constant
  case constantWithWarmup = "constant_with_warmup"
}

/// When the validation data is scored.
public enum EvalStrategy: String, Sendable, CaseIterable {
  case no, steps, epoch
}
