import Adapters
import Checkpoints
import Metrics
import StrictJSON
import Tasks

/// All that goes into one checkpoint.
struct CheckpointContent: Sendable {
  let snapshot: TrainingSnapshot
  /// What a state is stored as.
  let stored: @Sendable (TrainableState) -> StoredAdapter
  /// The config as resolved.
  let config: String
  /// What has been measured so far.
  let history: HistoryLog
  /// What the run was trained on.
  let fingerprint: InputFingerprint

  /// Names inside a checkpoint's directory, beside the adapter's two files.
  enum Name {
    static let config = "run_config.json"
    static let optimizer = "optimizer.safetensors"
    static let trainer = "trainer_state.json"
    static let history = "history.jsonl"
    static let best = "best"
  }

  static let format = "swift-peft checkpoint"
  static let formatVersion = 1

  /// Writes the checkpoint `path`, complete or not at all. It can be scored like a run's directory.
  func write(to path: String) throws {
    let state = snapshot.state
    try AtomicDirectory.write(to: path) { directory in
      try AdapterFile.write(stored(state), to: directory)
      try AtomicFile.write(config, to: "\(directory)/\(Name.config)")
      try SafetensorsWriter.write(optimizerTensors, to: "\(directory)/\(Name.optimizer)")
      try AtomicFile.write(history.bytes, to: "\(directory)/\(Name.history)")
      if let best = snapshot.loop.best {
        try AtomicDirectory.write(to: "\(directory)/\(Name.best)") { try AdapterFile.write(stored(best.state), to: $0) }
      }
      try AtomicFile.write(JSONWriter.text(trainerState, pretty: true), to: "\(directory)/\(Name.trainer)")
      try CheckpointManifest.write(directory, step: state.step)
    }
  }

  private var trainerState: JSONValue {
    let state = snapshot.state, loop = snapshot.loop
    let best = loop.best.map { best -> JSONValue in
      [
        "value": .exact(best.value), "step": .integer(best.state.step),
        "reports": .list(best.reports.map(\.storedForm)),
      ]
    }
    let members: [(String, JSONValue)] = [
      ("format", .string(Self.format)), ("format_version", .integer(Self.formatVersion)),
      ("step", .integer(state.step)), ("total_steps", .integer(snapshot.totalSteps)),
      ("skipped_steps", .integer(state.skippedSteps)),
    ]
    return .members(
      members + (snapshot.procedure?.checkpoint.fields.map { ($0.key, $0.value) } ?? []) + [
        ("log_window", loop.window.json), ("reports", .list(loop.reports.map(\.storedForm))), ("best", best ?? .null),
        ("evaluations_without_gain", .integer(loop.evaluationsWithoutGain)),
        ("stopped_early", .bool(loop.stoppedEarly)), ("evaluation_is_pending", .bool(loop.evaluationIsPending)),
        ("inputs", fingerprint.json),
      ])
  }

  /// AdamW's moments and the procedure's tensors, under the names that the adapter's file gives the tensors.
  private var optimizerTensors: [SafetensorsTensor] {
    let state = snapshot.state, table = state.table
    var tensors: [SafetensorsTensor] = []
    func add(_ name: String, _ shape: [Int], _ moments: (first: [Float], second: [Float])) {
      tensors.append(SafetensorsTensor(name: name + OptimizerName.first, shape: shape, moments.first))
      tensors.append(SafetensorsTensor(name: name + OptimizerName.second, shape: shape, moments.second))
    }
    for key in table.tensors {
      if let moments = state.moments(key) { add(table.name(of: key), table.shape(key), moments) }
    }
    for (suffix, values) in snapshot.procedure?.checkpoint.tensors ?? [:] {
      tensors += values.map { SafetensorsTensor(name: table.name(of: $0) + suffix, shape: table.shape($0), $1) }
    }
    for (index, parameter) in state.head.enumerated() {
      add(OptimizerName.head + parameter.name, parameter.shape, state.moments(head: index))
    }
    return tensors
  }
}

/// How the tensors of `optimizer.safetensors` are named: torch's names of the moments behind the tensor's own.
enum OptimizerName {
  static let first = ".exp_avg"
  static let second = ".exp_avg_sq"
  static let head = "head."
}

extension LogWindow {
  var json: JSONValue {
    [
      "steps": .integer(steps), "loss_sum": .exact(lossSum), "tokens": .integer(tokens),
      "examples": .integer(examples), "seconds": .exact(seconds), "last_step": .integer(lastStep),
      "last_epoch": .exact(lastEpoch), "last_learning_rate": .exact(lastLearningRate),
      "last_grad_norm": .exact(lastGradientNorm),
    ]
  }

  init(_ json: JSONFile) throws {
    steps = try json.count("steps")
    lossSum = try json.require("loss_sum", \.exactNumber)
    // Tokens of many steps.
    tokens = try json.count("tokens", most: 1 << 60)
    examples = try json.count("examples", most: 1 << 60)
    seconds = try json.require("seconds", \.exactNumber)
    lastStep = try json.count("last_step")
    lastEpoch = try json.require("last_epoch", \.exactNumber)
    lastLearningRate = try json.require("last_learning_rate", \.exactNumber)
    lastGradientNorm = try json.require("last_grad_norm", \.exactNumber)
  }
}

extension EvaluationReport {
  var storedForm: JSONValue {
    [
      "split": .string(split.rawValue), "step": .integer(step), "epoch": .exact(epoch),
      "examples": .integer(examples), "metrics": .members(metrics.map { ($0.name, .exact($0.value)) }),
    ]
  }

  init(_ json: JSONFile) throws {
    let metrics = try json.require("metrics", \.object)
    let values = JSONFile(path: json.path, node: JSONNode(.object(metrics)))
    self.init(
      step: try json.count("step"), epoch: try json.require("epoch", \.exactNumber),
      split: try json.require("split") { $0.string.flatMap(Split.init(rawValue:)) },
      metrics: try metrics.keys.map { MetricValue(name: $0, value: try values.require($0, \.exactNumber)) },
      examples: try json.count("examples"), logits: [])
  }
}
