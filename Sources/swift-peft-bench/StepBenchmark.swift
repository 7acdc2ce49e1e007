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
    abstract:
      "Time one optimiser step of a random model with an adapter, r = 8: RoBERTa on query and value, LLaMA on all maps."
  )

  @Option(help: "Sizes of the model.") var shape: BenchmarkShape
  @Option(help: "Sequences per step.") var batch = 16
  @Option(help: "Tokens per sequence, or their upper limit.") var length = 128
  @Option(help: "A file with one sequence length per line, used in order.") var lengths: String?
  @Option(help: "How A and B are shared.") var strategy = "lora"
  @Option(name: .customLong("r"), help: "The rank; alpha is twice as much.") var rank = 8
  @Option(help: "Options of the strategy, as JSON: {\"k\": 4}.") var options = "{}"
  @Flag(help: "Magnitudes on the products (DoRA).") var useDora = false
  @Option(help: "float32, bfloat16 or int8.") var precision = RunPrecision.float32
  @Flag(help: "Recompute activations in the backward pass.") var gradientCheckpointing = false
  @Option(help: "Steps to time, after two to warm up.") var steps = 8
  @Option(help: "Workers.") var threads = ProcessorCount.available

  func run() throws {
    let library = BLASLibrary.prepare()
    let philox = Philox(seed: 1)
    let (directory, config) = try shape.model()
    let geometry = ModelGeometry(config)
    let int8 = precision == .int8 ? Int8Factors([]) : nil
    let model: ObjectiveModel =
      try shape.isDecoder
      ? .language(
        LanguageModel(path: directory, config: config, precision: precision.activations, int8: int8, packs: true))
      : .classifier(
        LoadedClassifier(
          path: directory, config: config, labels: 2, philox: philox, precision: precision.activations, int8: int8,
          packs: true
        ).model)
    var additions = MethodAdditions()
    additions.usesDoRA = useDora
    let method = try AdapterMethod.named(strategy).with(methodValues()).with(additions), alpha = Double(2 * rank)
    let table = try SiteTable(
      sites: shape.targets.select(from: geometry.sites), method: method, r: rank,
      scale: method.design.scale.value(alpha: alpha, rank: rank, useRSLoRA: false), alpha: alpha)
    let weights =
      try table.method.needsWeights
      ? BaseWeights(geometry.checkpoint(directory), geometry, sites: table.sites, philox: philox) : nil
    let head = shape.isDecoder ? [] : HeadParameter.all(config: config, labels: 2)
    var state = TrainableState(table: table, head: head, weights: weights)
    try state.initializeAdapter(philox: philox)
    let pool = WorkerPool(threads: threads)
    let engine = Engine(
      shape.isDecoder ? LanguageModelling() : Classification(), model: model, sites: geometry.sites, scale: table.scale,
      pool: pool,
      precision: precision.activations, recomputes: gradientCheckpointing)
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
    let shares = pool.implementations.filter { $0.value > 0 }.sorted { $0.value > $1.value }
    let all = shares.map(\.value).reduce(0, +)
    let implementations = "{" + shares.map { "\"\($0)\": \(fixed($1 / all, 5))" }.joined(separator: ", ") + "}"
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
      "blas_core": "\(library.core)", "implementations": \(implementations)}
      """)
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
        if shape.isDecoder { return EncodedDataset.Item(documents: [ids]) }
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

extension RunPrecision: ExpressibleByArgument {}
