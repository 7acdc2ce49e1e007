import Adapters
import Checkpoints
import Diagnostics
import Foundation
import Kernels
import Metrics
import Models
import StrictJSON

/// All that goes into one checkpoint.
struct CheckpointContent: Sendable {
  let snapshot: TrainingSnapshot
  /// What a state is stored as.
  let stored: @Sendable (TrainableState) -> StoredAdapter
  let config: String
  let history: HistoryLog
  /// What the run was trained on.
  let fingerprint: InputFingerprint
  /// The column factors of a run in int8.
  var int8Factors: Int8Factors?

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
  /// How gradients are added: along the tree of a batch's shards.
  static let sum = "tree"

  /// Writes the checkpoint `path`, complete or not at all. It can be scored like a run's directory.
  func write(to path: String) throws {
    let state = snapshot.state
    try AtomicDirectory.write(to: path) { directory in
      try AdapterFile.write(stored(state), to: directory)
      try int8Factors?.write(to: directory)
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
    let restart: [(String, JSONValue)] =
      state.stepsBeforeRestart > 0 ? [("steps_before_restart", .integer(state.stepsBeforeRestart))] : []
    return .members(
      members + restart + (snapshot.procedure?.checkpoint.fields.map { ($0.key, $0.value) } ?? []) + [
        ("log_window", loop.window.json), ("reports", .list(loop.reports.map(\.storedForm))), ("best", best ?? .null),
        ("evaluations_without_gain", .integer(loop.evaluationsWithoutGain)),
        ("stopped_early", .bool(loop.stoppedEarly)), ("evaluation_is_pending", .bool(loop.evaluationIsPending)),
        ("inputs", fingerprint.json), ("sum", .string(Self.sum)),
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

  init(_ json: JSONField) throws {
    steps = try json.member("steps").count()
    lossSum = try json.member("loss_sum").exactNumber()
    tokens = try json.member("tokens").count(upTo: 1 << 60)
    examples = try json.member("examples").count(upTo: 1 << 60)
    seconds = try json.member("seconds").exactNumber()
    lastStep = try json.member("last_step").count()
    lastEpoch = try json.member("last_epoch").exactNumber()
    lastLearningRate = try json.member("last_learning_rate").exactNumber()
    lastGradientNorm = try json.member("last_grad_norm").exactNumber()
  }
}

extension EvaluationReport {
  var storedForm: JSONValue {
    [
      "split": .string(split.rawValue), "step": .integer(step), "epoch": .exact(epoch),
      "examples": .integer(examples), "metrics": .members(metrics.map { ($0.name, .exact($0.value)) }),
    ]
  }

  init(_ json: JSONField) throws {
    self.init(
      step: try json.member("step").count(), epoch: try json.member("epoch").exactNumber(),
      split: try json.member("split").split(),
      metrics: try json.member("metrics").members().map { MetricValue(name: $0, value: try $1.exactNumber()) },
      examples: try json.member("examples").count(), logits: [])
  }
}

/// `manifest.json`: size and SHA-256 of every other file of a checkpoint. It is written last.
enum CheckpointManifest {
  static let fileName = "manifest.json"

  /// Writes the manifest of what is in `directory`.
  static func write(_ directory: String, step: Int) throws {
    let files = try contents(directory).map { name -> (String, JSONValue) in
      let path = "\(directory)/\(name)"
      return (name, ["bytes": .integer(try size(path)), "sha256": .string(try Digest.ofFile(path))])
    }
    let manifest: JSONValue = [
      "format": .string(CheckpointContent.format), "format_version": .integer(CheckpointContent.formatVersion),
      "step": .integer(step), "files": .members(files),
    ]
    try AtomicFile.write(JSONWriter.text(manifest, pretty: true), to: "\(directory)/\(fileName)")
  }

  /// The step and the names of the files. Throws if a file is missing or damaged.
  static func verify(_ directory: String) throws -> (step: Int, files: Set<String>) {
    let manifest = try JSONField(contentsOf: "\(directory)/\(fileName)")
    guard manifest.node["format"]?.string == CheckpointContent.format else {
      throw CheckpointDamage(path: manifest.file, problem: "not a checkpoint of swift-peft")
    }
    let version = try manifest.member("format_version").integer()
    guard version <= CheckpointContent.formatVersion else {
      throw CheckpointDamage(path: manifest.file, problem: "written by a newer program (format_version \(version))")
    }
    let entries = try manifest.member("files").members()
    // Sizes first, which cost nothing: a sparse file of any size would be read to its end for its checksum.
    var files: [(file: MappedFile, digest: String)] = [], total = 0
    for (name, entry) in entries {
      let path = "\(directory)/\(name)"
      let bytes = try entry.member("bytes").integer(), digest = try entry.member("sha256").string()
      guard name.isPathInside else {
        throw CheckpointDamage(path: manifest.file, problem: "\(name.clipped) leads out of the checkpoint")
      }
      guard (try? size(path)) != nil else { throw CheckpointDamage(path: path, problem: "is missing") }
      let file = try MappedFile(path: path)
      guard file.count == bytes else {
        throw CheckpointDamage(path: path, problem: "has \(file.count) bytes instead of \(bytes)")
      }
      total += file.count
      guard total <= InputFile.dataLimit else {
        throw CheckpointDamage(path: directory, problem: "holds more than \(InputFile.dataLimit) bytes")
      }
      files.append((file, digest))
    }
    for (file, digest) in files where Digest.of(file) != digest {
      throw CheckpointDamage(path: file.path, problem: "its checksum does not match the manifest")
    }
    return (try manifest.member("step").integer(), Set(entries.map(\.key)))
  }

  private static func contents(_ directory: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: directory).filter { !"\(directory)/\($0)".isDirectory }.sorted()
  }

  private static func size(_ path: String) throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    return (attributes[.size] as? NSNumber)?.intValue ?? 0
  }
}

/// A damaged file of a checkpoint.
struct CheckpointDamage: UserFacingError, Equatable {
  let path: String
  let problem: String

  var description: String { "\(path): \(problem)" }
  var exitStatus: ExitStatus { .badInput }
}

extension JSONValue {
  /// A number of any kind, bit for bit: JSON itself has no NaN and no infinity.
  static func exact(_ number: Double) -> JSONValue {
    number.isFinite ? .number(number) : .string(String(describing: number))
  }
}

extension JSONField {
  /// The value in a file of a checkpoint.
  init(contentsOf path: String) throws { try self.init(parsing: MappedFile(path: path).text(), file: path) }

  /// A whole number from 0 to `most`.
  func count(upTo most: Int = 1 << 53) throws -> Int { try integer(in: 0...max(0, most)) }

  /// What `JSONValue.exact` wrote.
  func exactNumber() throws -> Double {
    try value("a number") { node in
      switch node.string {
      case "nan", "-nan": .nan
      case "inf": .infinity
      case "-inf": -.infinity
      default: node.number
      }
    }
  }

  func split() throws -> Split { try value("a split") { $0.string.flatMap(Split.init(rawValue:)) } }
}
