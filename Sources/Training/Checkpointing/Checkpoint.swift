import Adapters
import Checkpoints
import Configuration
import Kernels
import Models
import StrictJSON

/// A checkpoint on disk whose files are what was written.
struct Checkpoint: Sendable {
  let path: String
  let step: Int
  let config: RunConfig
  /// Steps of the whole run, as planned then.
  let totalSteps: Int
  let fingerprint: InputFingerprint
  /// Whether its gradients were added along the tree of shards, which gives other bits than the order of earlier versions.
  let sumsAlongTree: Bool
  private let files: Set<String>
  private let trainer: JSONField

  /// All files of the checkpoint, by their paths in it.
  var fileNames: [String] { files.sorted() + [CheckpointManifest.fileName] }

  /// Verifies every file. Throws `CheckpointDamage`, or what reading threw.
  init(path: String, catalog: Catalog = .standard) throws {
    self.path = path
    (step, files) = try CheckpointManifest.verify(path)
    for name in [
      CheckpointContent.Name.trainer, CheckpointContent.Name.config, CheckpointContent.Name.optimizer,
      CheckpointContent.Name.history, AdapterFile.configName, AdapterFile.tensorsName,
    ] where !files.contains(name) {
      throw CheckpointDamage(path: "\(path)/\(CheckpointManifest.fileName)", problem: "does not list \(name)")
    }
    trainer = try JSONField(contentsOf: "\(path)/\(CheckpointContent.Name.trainer)")
    totalSteps = try trainer.member("total_steps").count()
    guard try trainer.member("step").count(upTo: totalSteps) == step else {
      throw CheckpointDamage(path: trainer.file, problem: "belongs to another step than the manifest")
    }
    fingerprint = try InputFingerprint(trainer.member("inputs"))
    let sum = try trainer.optional("sum")
    sumsAlongTree = try sum?.string() == CheckpointContent.sum
    if let sum, !sumsAlongTree {
      throw CheckpointDamage(
        path: trainer.file,
        problem: "adds gradients in an order that this program does not know: \(try sum.string().clipped)")
    }
    config = try RunConfig.load(path: "\(path)/\(CheckpointContent.Name.config)", catalog: catalog)
  }

  /// The run as it was, for a model with the maps of `table`, a head of `head`, and `weights` where the method needs them.
  func snapshot(table: SiteTable, head: [HeadParameter], weights: BaseWeights? = nil) throws -> TrainingSnapshot {
    var state = try state(in: path, table: table, head: head, weights: weights)
    let optimizer = try SafetensorsFile(path: "\(path)/\(CheckpointContent.Name.optimizer)")
    try restore(&state, from: optimizer)
    state.step = step
    state.skippedSteps = try trainer.member("skipped_steps").count(upTo: step)
    state.stepsBeforeRestart = try trainer.optional("steps_before_restart")?.count(upTo: step - state.skippedSteps) ?? 0

    var loop = LoopState()
    loop.window = try LogWindow(trainer.member("log_window"))
    loop.reports = try trainer.member("reports").elements().map(EvaluationReport.init)
    let best = try trainer.member("best")
    if !best.node.isNull {
      let place = CheckpointContent.Name.best
      for name in [AdapterFile.configName, AdapterFile.tensorsName] where !files.contains("\(place)/\(name)") {
        throw CheckpointDamage(
          path: "\(path)/\(CheckpointManifest.fileName)", problem: "does not list \(place)/\(name)")
      }
      var bestState = try self.state(in: "\(path)/\(place)", table: table, head: head, weights: weights)
      bestState.step = try best.member("step").count(upTo: step)
      loop.best = BestState(
        state: bestState, value: try best.member("value").exactNumber(),
        reports: try best.member("reports").elements().map(EvaluationReport.init))
    }
    loop.evaluationsWithoutGain = try trainer.member("evaluations_without_gain").count()
    loop.stoppedEarly = try trainer.member("stopped_early").bool()
    loop.evaluationIsPending = try trainer.member("evaluation_is_pending").bool()
    return TrainingSnapshot(
      state: state, loop: loop, totalSteps: totalSteps, procedure: try procedure(state.table, optimizer))
  }

  /// How the run goes on under a changed `config`, in words. Throws if the changes would alter the result.
  func changes(_ config: RunConfig, fingerprint: InputFingerprint, totalSteps: Int) throws -> [String] {
    let comparison = try ConfigComparison(old: self.config, new: config, steps: (self.totalSteps, totalSteps))
    let differences = comparison.differences + fingerprint.differences(from: self.fingerprint, config: config)
    guard differences.isEmpty else { throw RunError.configChanged(checkpoint: path, differences: differences) }
    let earlier =
      sumsAlongTree
      ? []
      : [
        "\(path) is of an earlier version, which added gradients in another order: the run goes on, but not with the "
          + "bits that it would have had"
      ]
    if totalSteps == self.totalSteps { return earlier }
    return earlier + [
      "\(comparison.lengthening.joined(separator: "; ")): the run ends at step \(totalSteps) instead of "
        + "\(self.totalSteps); from here on the learning rate is that of the longer run"
    ]
  }

  /// The column factors of a run in int8; nil if it has none.
  func int8Factors(_ geometry: ModelGeometry) throws -> Int8Factors? { try Int8Factors.read(path, geometry) }

  func history() throws -> HistoryLog { try HistoryLog(file: "\(path)/\(CheckpointContent.Name.history)") }

  /// Values and sharing of the adapter in `directory`.
  private func state(
    in directory: String, table: SiteTable, head: [HeadParameter], weights: BaseWeights?
  ) throws -> TrainableState {
    var stored = try AdapterFile.read(directory, sites: table.sites, methods: [table.method])
    stored.weights = weights
    try stored.restoreStart()
    let place = "\(directory)/\(AdapterFile.configName)"
    guard stored.table.sites == table.sites, stored.table.rank == table.rank,
      stored.table.ranks == table.ranks, stored.table.scales == table.scales
    else { throw CheckpointDamage(path: place, problem: "is not for the maps that this run adapts") }
    guard stored.table.method == table.method else {
      throw CheckpointDamage(path: place, problem: "is of other options of \(table.method.name) than this run's")
    }
    var state = TrainableState(table: stored.table.trained(by: table.method), head: head, weights: weights)
    for (key, values) in stored.tensors { state[key] = values }
    for (index, parameter) in head.enumerated() {
      guard let tensor = stored.head[parameter.name], tensor.shape == parameter.shape else {
        throw CheckpointDamage(path: place, problem: "has no \(parameter.name) of the shape \(parameter.shape)")
      }
      state[head: index] = tensor.values
    }
    return state
  }

  private func restore(_ state: inout TrainableState, from file: SafetensorsFile) throws {
    func take(_ name: String, _ shape: [Int]) throws -> [Float] { try Self.take(name, shape, from: file) }
    for key in state.table.tensors where state.table.tensor(key).trains {
      let name = state.table.name(of: key), shape = state.table.shape(key)
      state.restoreMoments(
        key, first: try take(name + OptimizerName.first, shape), second: try take(name + OptimizerName.second, shape))
    }
    for (index, parameter) in state.head.enumerated() {
      let name = OptimizerName.head + parameter.name
      state.restoreMoments(
        head: index, first: try take(name + OptimizerName.first, parameter.shape),
        second: try take(name + OptimizerName.second, parameter.shape))
    }
  }

  /// What the method does between steps, as it was.
  private func procedure(_ table: SiteTable, _ file: SafetensorsFile) throws -> (any MethodProcedure)? {
    guard let kind = table.method.procedure else { return nil }
    let stored = StoredProcedure(fields: trainer.node) { key, suffix in
      let name = table.name(of: key) + suffix
      return file.info(name) == nil ? nil : try Self.take(name, table.shape(key), from: file)
    }
    guard let procedure = try kind.resume(stored, table, totalSteps) else {
      throw CheckpointDamage(path: trainer.file, problem: "does not hold the state of \(table.method.name)")
    }
    return procedure
  }

  private static func take(_ name: String, _ shape: [Int], from file: SafetensorsFile) throws -> [Float] {
    let tensor = try file.tensor(name)
    guard tensor.shape == shape else {
      throw CheckpointDamage(path: file.path, problem: "\(name) has the shape \(tensor.shape) instead of \(shape)")
    }
    return tensor.floats()
  }
}

/// Compares the config of a checkpoint with that of the resumed run.
struct ConfigComparison {
  /// Values that alter the result, as `path: old, now new`.
  let differences: [String]
  /// Values that make the run longer.
  let lengthening: [String]

  /// Values that do not alter the result. Of inputs, the content is compared instead of the path.
  private static let neutral: Set<String> = [
    "name", "output_dir", "database", "model", "task.data_dir", "task.train_file", "task.validation_file",
    "task.test_file", "task.file_format", "task.delimiter", "task.fewshot_file", "adapter.init_from",
    "training.logging_steps", "training.save_steps",
    "training.save_total_limit", "training.max_nonfinite_steps",
  ]
  /// Values that say what a missing one does.
  private static let asNotGiven = [
    "adapter.use_dora": "false", "adapter.init_from_mean": "false", "adapter.init_lora_weights": "true",
    "adapter.lora_plus_ratio": "1",
  ]
  /// Compared by the number of steps instead.
  private static let length: Set<String> = ["training.num_train_epochs", "training.max_steps"]

  /// A run may become longer. `steps` are those of the whole run.
  init(old: RunConfig, new: RunConfig, steps: (old: Int, new: Int)) throws {
    let (old, new) = (old.jsonText(), new.jsonText())
    let before = Self.leaves(try JSONParser.parse(old)), after = Self.leaves(try JSONParser.parse(new))
    let changed = try Self.changedPaths(from: old, to: new).filter { !Self.neutral.contains($0) }
    func shown(_ path: String) -> String {
      "\(path): \(before[path] ?? "not given"), now \(after[path] ?? "not given")"
    }
    differences = changed.filter { !Self.length.contains($0) || steps.new < steps.old }.map(shown)
    lengthening = steps.new > steps.old ? changed.filter(Self.length.contains).map(shown) : []
  }

  /// The paths of values that differ between two configs as text.
  static func changedPaths(from old: String, to new: String) throws -> [String] {
    let before = leaves(try JSONParser.parse(old)), after = leaves(try JSONParser.parse(new))
    return Set(before.keys).union(after.keys).sorted().filter { before[$0] != after[$0] }
  }

  /// Every scalar and list of the config, by its path.
  private static func leaves(_ node: JSONNode, at path: String = "") -> [String: String] {
    guard let object = node.object else { return [path: JSONWriter.text(node.value, pretty: false)] }
    var leaves: [String: String] = [:]
    for key in object.keys {
      guard let member = object[key] else { continue }
      leaves.merge(Self.leaves(member, at: path.isEmpty ? key : "\(path).\(key)")) { $1 }
    }
    return leaves.filter { asNotGiven[$0.key] != $0.value }
  }
}

/// What `--resume` does with a run's newest checkpoint before its first step, without model and data: for the fuzzer.
package enum CheckpointRehearsal {
  /// The step and the planned end of the run in `output`; nil if it has no checkpoint.
  package static func resume(
    _ output: String, table: SiteTable, head: [HeadParameter]
  ) throws -> (step: Int, totalSteps: Int)? {
    guard let checkpoint = try CheckpointFolder(output: output).newest()?.checkpoint else { return nil }
    _ = try checkpoint.changes(
      checkpoint.config, fingerprint: checkpoint.fingerprint, totalSteps: checkpoint.totalSteps)
    _ = try checkpoint.history().records()
    let snapshot = try checkpoint.snapshot(table: table, head: head)
    var state = snapshot.state, loop = snapshot.loop
    state.step += 1
    state.skippedSteps += 1
    loop.evaluationsWithoutGain += 1
    loop.window.add(
      StepReport(
        step: state.step, epoch: 1, loss: 1, learningRate: 1, gradientNorm: 1, tokens: 1, examples: 1, seconds: 1))
    var procedure = snapshot.procedure
    _ = procedure?.afterStep(&state, wasApplied: true)
    return (snapshot.state.step, snapshot.totalSteps)
  }

  /// Takes and gives back the lock of an output directory.
  package static func lock(_ output: String) throws { _ = try OutputLock(output) }

  /// Where the checkpoint of `step` lies.
  package static func path(_ output: String, step: Int) -> String { CheckpointFolder(output: output).path(step: step) }

  /// Gives the files in `directory` the checksums of a checkpoint.
  package static func seal(_ directory: String, step: Int) throws {
    try CheckpointManifest.write(directory, step: step)
  }
}
