import Adapters
import ArgumentParser
import Checkpoints
import Configuration
import Foundation
import Kernels
import Models
import StrictJSON
import Tasks
import Training

/// Seconds per training step on random tokens, in the shapes and the output format of PyTorch's side of
/// `scripts/bench.sh`.
struct StepBenchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "step",
    abstract: "Time one optimiser step of a random RoBERTa with an adapter on query and value, r = 8.")

  enum Shape: String, ExpressibleByArgument, CaseIterable {
    case base, minilm

    /// A `config.json` of this shape, with the dropout 0.1 of `RobertaConfig`.
    var config: String {
      let sizes =
        switch self {
        case .base: (hidden: 768, layers: 12, wide: 3072, vocabulary: 50265)
        case .minilm: (hidden: 384, layers: 6, wide: 1536, vocabulary: 30522)
        }
      return """
        {"model_type": "roberta", "hidden_size": \(sizes.hidden), "num_hidden_layers": \(sizes.layers),
         "num_attention_heads": 12, "intermediate_size": \(sizes.wide), "vocab_size": \(sizes.vocabulary),
         "max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1, "hidden_dropout_prob": 0.1,
         "attention_probs_dropout_prob": 0.1}
        """
    }
  }

  @Option(help: "Sizes of the model.") var shape: Shape
  @Option(help: "Sequences per step.") var batch = 16
  @Option(help: "Tokens per sequence, or their upper limit.") var length = 128
  @Option(help: "A file with one sequence length per line, used in order.") var lengths: String?
  @Option(help: "How A and B are shared.") var strategy = "lora"
  @Option(name: .customLong("r"), help: "The rank; alpha is twice as much.") var rank = 8
  @Option(help: "Options of the strategy, as JSON: {\"k\": 4}.") var options = "{}"
  @Flag(help: "Magnitudes on the products (DoRA).") var useDora = false
  @Option(help: "float32 or bfloat16.") var precision = Precision.float32
  @Flag(help: "Recompute activations in the backward pass.") var gradientCheckpointing = false
  @Option(help: "Steps to time, after two to warm up.") var steps = 8
  @Option(help: "Workers.") var threads = ProcessorCount.available

  func run() throws {
    let library = BLASLibrary.prepare()
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("swift-peft-bench-\(shape.rawValue)")
    let config = try makeModel(in: directory.path)
    let geometry = ModelGeometry(config)
    let philox = Philox(seed: 1)
    let classifier = try LoadedClassifier(
      path: directory.path, config: config, labels: 2, philox: philox, precision: precision)
    var additions = MethodAdditions()
    additions.usesDoRA = useDora
    let method = try AdapterMethod.named(strategy).with(methodValues()).with(additions), alpha = Double(2 * rank)
    let table = try SiteTable(
      sites: TargetSelection(["query", "value"]).select(from: geometry.sites), method: method, r: rank,
      scale: method.design.scale.value(alpha: alpha, rank: rank, useRSLoRA: false), alpha: alpha)
    let weights =
      try table.method.needsWeights
      ? BaseWeights(geometry.checkpoint(directory.path), geometry, sites: table.sites, philox: philox) : nil
    var state = TrainableState(table: table, head: HeadParameter.all(config: config, labels: 2), weights: weights)
    try state.initializeAdapter(philox: philox)
    let pool = WorkerPool(threads: threads)
    let engine = Engine(
      Classification(), model: .classifier(classifier.model), sites: geometry.sites, scale: table.scale, pool: pool,
      precision: precision, recomputes: gradientCheckpointing)
    var training = TrainingConfig()
    training.trainBatchSize = batch
    training.maxSteps = steps + 2
    training.learningRate = 1e-4
    training.lrSchedulerType = .constant
    training.evalStrategy = .no
    training.shuffle = false
    var trainer = Trainer(
      state: state, engine: engine, config: training, train: try randomData(config), evaluationSets: [],
      procedure: nil, philox: philox)
    var reports: [StepReport] = []
    var firstStep = 0.0, operations = 0.0
    _ = try trainer.run {
      guard case .step(let report) = $0 else { return }
      reports.append(report)
      if reports.count == 1 { firstStep = SystemClock.secondsSinceStart }
      if reports.count == 2 { operations = pool.operations }
    }
    operations = (pool.operations - operations) / Double(steps)
    let counted = reports.dropFirst(2)
    let seconds = counted.map(\.seconds).sorted()
    let tokens = counted.map(\.tokens).reduce(0, +)
    print(
      """
      {"shape": "\(shape.rawValue)", "batch": \(batch), "length": \(length), "strategy": "\(strategy)", \
      "precision": "\(precision.rawValue)", "threads": \(threads), "steps": \(steps), \
      "median_step_seconds": \(fixed(seconds[seconds.count / 2], 4)), \
      "tokens_per_second": \(fixed(Double(tokens) / seconds.reduce(0, +), 1)), \
      "mean_tokens_per_step": \(fixed(Double(tokens) / Double(steps), 1)), "peak_rss_mb": \(fixed(peakMegabytes, 1)), \
      "gflop_per_step": \(fixed(operations * 1e-9, 1)), "first_step_seconds": \(fixed(firstStep, 2)), \
      "blas_core": "\(library.core)"}
      """)
  }

  /// Writes a random checkpoint of the shape, unless an earlier run has.
  private func makeModel(in directory: String) throws -> ModelConfig {
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    try AtomicFile.write(shape.config, to: "\(directory)/config.json")
    let config = try ModelConfig(directory: directory)
    let file = "\(directory)/model.safetensors"
    if !FileManager.default.fileExists(atPath: file) {
      let philox = Philox(seed: 7)
      let parts = ModelGeometry(config).parts.filter { !$0.isOptional }
      let tensors = parts.flatMap(\.namedTensors).enumerated().map { index, tensor in
        let count = tensor.shape.reduce(1, *)
        let values =
          tensor.name.hasSuffix("LayerNorm.weight")
          ? [Float](repeating: 1, count: count) : philox.uniform(count, bound: 0.035, stream: UInt64(index))
        return SafetensorsTensor(name: tensor.name, shape: tensor.shape, values)
      }
      try SafetensorsWriter.write(tensors, to: file)
    }
    return config
  }

  /// The strategy's options.
  private func methodValues() throws -> MethodValues {
    let object = try JSONParser.parse(options), declared = try AdapterMethod.named(strategy).declaredOptions
    var values = MethodValues()
    for key in object.object?.keys ?? [] {
      guard let node = object[key], let value = declared.first(where: { $0.key == key })?.value(node) else {
        throw ValidationError("--options: \(strategy) has no option \(key) with this value")
      }
      values[key] = value
    }
    return values
  }

  private func randomData(_ config: ModelConfig) throws -> EncodedDataset {
    let given = try lengths.map {
      try String(contentsOfFile: $0, encoding: .utf8).split(separator: "\n").compactMap { Int($0) }
    }
    let count = batch * (steps + 2)
    return EncodedDataset(
      items: (0..<count).map { index in
        let tokens = min(length, given.map { $0[index % $0.count] } ?? length)
        let ids = Philox(seed: 3).words(tokens, purpose: .shuffle, stream: UInt64(index)).map {
          Int32(5 + Int($0) % (config.vocabularySize - 5))
        }
        return EncodedDataset.Item(
          ids: ids, typeIDs: [Int32](repeating: 0, count: tokens), label: .classIndex(index % 2))
      })
  }

  /// The peak memory of the process (VmHWM).
  private var peakMegabytes: Double {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return (line?.split(whereSeparator: { !$0.isNumber }).first.flatMap { Double($0) } ?? 0) / 1024
  }
}

extension Precision: ExpressibleByArgument {}
