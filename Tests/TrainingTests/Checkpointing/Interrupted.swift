import Adapters
import Checkpoints
import Cluster
import Configuration
import Foundation
import Kernels
import Models
import RunStore
import Tasks

@testable import Training

/// A directory that disappears with its test.
final class Scratch: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "swift-peft-training-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func place(_ name: String) -> String { "\(path)/\(name)" }
}

/// A small training job that can be stopped, written to disk, read back and continued.
struct Job {
  var strategy = "lora"
  var config = TrainingConfig()
  var merges: (start: Int, every: Int, merges: Int)?
  var loraDropout = 0.1
  var threads = 1
  var precision = Precision.float32
  /// How many times the 23 examples are there.
  var copies = 1
  var cluster = Cluster.alone

  /// 23 examples in steps of up to 6 (batches of 3, two accumulated): 4 steps an epoch, 5 epochs.
  init(_ strategy: String) {
    self.strategy = strategy
    config.trainBatchSize = 3
    config.gradientAccumulationSteps = 2
    config.numTrainEpochs = 5
    config.learningRate = 2e-2
    config.loggingSteps = 3
    config.evalStrategy = .steps
    config.evalSteps = 3
    config.saveSteps = 0
    if strategy == "aslora" { merges = (3, 6, 2) }
  }

  /// What came of it.
  struct Result {
    var outcome: Trainer.Outcome
    var state: TrainableState
    var events: [String]
  }

  func golden() throws -> GoldenRun { try GoldenRun(model: "bert-tiny", run: "lora", threads: threads) }

  private func fresh(_ golden: GoldenRun) throws -> TrainableState {
    let table = try SiteTable(sites: golden.table.sites, method: AdapterMethod.named(strategy), r: 4)
    var state = TrainableState(table: table, head: HeadParameter.all(config: golden.classifier.model.config, labels: 2))
    let philox = Philox(seed: 42)
    try state.initializeAdapter(philox: philox)
    for (index, parameter) in state.head.enumerated() {
      state[head: index] = parameter.freshValues(philox: philox, deviation: 0.02)
    }
    return state
  }

  /// The job from its start, or from the checkpoint `path`.
  func trainer(from path: String? = nil, change: (inout TrainableState) -> Void = { _ in }) throws -> Trainer {
    let golden = try golden()
    var state = try fresh(golden)
    change(&state)
    var loop = LoopState()
    let items = Array(repeatElement(golden.data.items.prefix(23), count: copies).joined())
    let total = StepPlan(examples: items.count, config).total
    var procedure = try merges.map {
      try mergingProcedure(
        ASLoRAOptions(startStep: $0.start, mergeInterval: $0.every, numMerges: $0.merges), state.table,
        totalSteps: total)
    }
    if let path {
      let snapshot = try Checkpoint(path: path).snapshot(table: state.table, head: state.head)
      (state, loop, procedure) = (snapshot.state, snapshot.loop, snapshot.procedure)
    }
    let engine = Engine(
      Classification(), model: .classifier(golden.classifier.model), sites: golden.geometry.sites, scale: 2,
      loraDropout: loraDropout, pool: WorkerPool(threads: threads), precision: precision,
      shardTokens: config.shardTokens, cluster: cluster)
    return Trainer(
      state: state, loop: loop, engine: engine, config: config, train: EncodedDataset(items: items),
      evaluationSets: [
        (.validation, EncodedDataset(items: Array(golden.data.items.suffix(9)))),
        (.validationMismatched, EncodedDataset(items: Array(items.prefix(5)))),
      ], procedure: procedure, philox: Philox(seed: 42))
  }

  /// Runs `trainer` until after step `stop`, and writes where it stopped to `path`. `stopInEvaluation` is heard only
  /// while the step's evaluation runs.
  func run(
    _ trainer: Trainer, stopAfter stop: Int = .max, inEvaluation: Bool = false, writingTo path: String? = nil
  ) throws -> Result {
    var trainer = trainer
    var events: [String] = [], step = trainer.state.step, asked = 0, history = HistoryLog()
    let outcome = try trainer.run(
      shouldStop: {
        asked += step >= stop ? 1 : 0
        return step >= stop && (!inEvaluation || asked > 2)
      },
      onEvent: { event in
        switch event {
        case .step(let report): step = report.step
        case .log(let report):
          let metrics = report.metrics.filter { !$0.name.hasSuffix("_per_second") }
          events.append("\(report.step) \(report.epoch) \(metrics.map { "\($0.name) \($0.value)" })")
          history.add(report.metrics.points(step: report.step, epoch: report.epoch, split: .train))
        case .evaluated(let report):
          events.append(
            "\(report.step) \(report.epoch) \(report.split) \(report.metrics.map { "\($0.name) \($0.value)" })")
        case .merged(let merge): events.append("\(merge)")
        case .notice(let text): events.append(text)
        case .checkpoint(let snapshot):
          guard let path else { break }
          try Self.content(snapshot, history).write(to: path)
        }
      })
    return Result(outcome: outcome, state: trainer.state, events: events)
  }

  static func content(_ snapshot: TrainingSnapshot, _ history: HistoryLog = HistoryLog()) -> CheckpointContent {
    var task = TaskConfig(name: "sst2")
    task.dataDir = "data"
    return CheckpointContent(
      snapshot: snapshot, stored: stored, config: RunConfig(name: "job", model: "model", task: task).jsonText(),
      history: history, fingerprint: InputFingerprint(splits: ["train": "a"], model: "b"))
  }

  static let stored: @Sendable (TrainableState) -> StoredAdapter = { state in
    StoredAdapter(
      table: state.table, tensors: Dictionary(uniqueKeysWithValues: state.table.tensors.map { ($0, state[$0]) }),
      head: Dictionary(
        uniqueKeysWithValues: state.head.enumerated().map {
          ($1.name, HeadTensor(shape: $1.shape, values: state[head: $0]))
        }),
      metadata: AdapterMetadata(
        baseModel: "model", modelType: "bert", taskType: "SEQ_CLS", labels: ["0", "1"], loraAlpha: 8,
        targetModules: ["query", "value"], step: state.step))
  }
}

extension TrainableState {
  /// Everything of it, by name, to be compared.
  var everything: [String: [Float]] {
    var all: [String: [Float]] = [
      "step": [Float(step)], "skipped": [Float(skippedSteps)],
    ]
    for key in table.tensors {
      let name = table.name(of: key), moments = moments(key)
      all[name] = self[key]
      all[name + " 1"] = moments?.first
      all[name + " 2"] = moments?.second
    }
    for (index, parameter) in head.enumerated() {
      all[parameter.name] = self[head: index]
      all[parameter.name + " 1"] = moments(head: index).first
      all[parameter.name + " 2"] = moments(head: index).second
    }
    return all
  }
}

/// ASLoRA's merging over a run of `totalSteps`.
func mergingProcedure(
  _ options: ASLoRAOptions, _ table: SiteTable, totalSteps: Int
) throws -> any MethodProcedure {
  try require(AdapterMethod.aslora.procedure).begin(MethodOptions(aslora: options), table, totalSteps)
}
