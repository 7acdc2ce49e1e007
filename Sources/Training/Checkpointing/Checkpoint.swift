import Adapters
import Checkpoints
import Configuration
import Kernels
import Models
import StrictJSON

/// A checkpoint on disk whose files are what was written.
struct Checkpoint: Sendable {
  let path: String
  /// Optimiser steps done.
  let step: Int
  /// The config it was made with.
  let config: RunConfig
  /// Steps of the whole run, as planned then.
  let totalSteps: Int
  let fingerprint: InputFingerprint
  private let files: Set<String>
  private let trainer: JSONFile

  /// Verifies every file. Throws `CheckpointDamage`, or what reading threw.
  init(path: String) throws {
    self.path = path
    (step, files) = try CheckpointManifest.verify(path)
    for name in [
      CheckpointContent.Name.trainer, CheckpointContent.Name.config, CheckpointContent.Name.optimizer,
      CheckpointContent.Name.history, AdapterFile.configName, AdapterFile.tensorsName,
    ] where !files.contains(name) {
      throw CheckpointDamage(path: "\(path)/\(CheckpointManifest.fileName)", problem: "does not list \(name)")
    }
    trainer = try JSONFile.read("\(path)/\(CheckpointContent.Name.trainer)")
    totalSteps = try trainer.count("total_steps")
    guard try trainer.count("step", most: totalSteps) == step else {
      throw CheckpointDamage(path: trainer.path, problem: "is of another step than the manifest")
    }
    guard let inputs = try trainer.section("inputs") else {
      throw CheckpointDamage(path: trainer.path, problem: "inputs is missing")
    }
    fingerprint = try InputFingerprint(inputs)
    config = try RunConfig.load(path: "\(path)/\(CheckpointContent.Name.config)")
  }

  /// The run as it was, for a model with the maps of `table` and a head of `head`.
  func snapshot(table: SiteTable, head: [HeadParameter]) throws -> TrainingSnapshot {
    var state = try state(in: path, table: table, head: head)
    let optimizer = try SafetensorsFile(path: "\(path)/\(CheckpointContent.Name.optimizer)")
    try restore(&state, from: optimizer)
    state.step = step
    state.skippedSteps = try trainer.count("skipped_steps", most: step)

    var loop = LoopState()
    if let window = try trainer.section("log_window") { loop.window = try LogWindow(window) }
    loop.reports = try trainer.list("reports").map(EvaluationReport.init)
    if let best = try trainer.section("best") {
      let place = CheckpointContent.Name.best
      for name in [AdapterFile.configName, AdapterFile.tensorsName] where !files.contains("\(place)/\(name)") {
        throw CheckpointDamage(
          path: "\(path)/\(CheckpointManifest.fileName)", problem: "does not list \(place)/\(name)")
      }
      var bestState = try self.state(in: "\(path)/\(place)", table: table, head: head)
      bestState.step = try best.count("step", most: step)
      loop.best = BestState(
        state: bestState, value: try best.require("value", \.exactNumber),
        reports: try best.list("reports").map(EvaluationReport.init))
    }
    loop.evaluationsWithoutGain = try trainer.count("evaluations_without_gain")
    loop.stoppedEarly = try trainer.require("stopped_early", \.bool)
    loop.evaluationIsPending = try trainer.require("evaluation_is_pending", \.bool)
    return TrainingSnapshot(
      state: state, loop: loop, totalSteps: totalSteps, procedure: try procedure(state.table, optimizer))
  }

  /// What goes on otherwise than before under `config`, in words. Throws where that gives another result.
  func changes(_ config: RunConfig, fingerprint: InputFingerprint, totalSteps: Int) throws -> [String] {
    let comparison = try ConfigComparison(old: self.config, new: config, steps: (self.totalSteps, totalSteps))
    let differences = comparison.differences + fingerprint.differences(from: self.fingerprint, config: config)
    guard differences.isEmpty else { throw RunError.configChanged(checkpoint: path, differences: differences) }
    if totalSteps == self.totalSteps { return [] }
    return [
      "\(comparison.lengthening.joined(separator: "; ")): the run ends at step \(totalSteps) instead of "
        + "\(self.totalSteps); from here on the learning rate is that of the longer run"
    ]
  }

  /// What the run has measured until then.
  func history() throws -> HistoryLog { try HistoryLog(file: "\(path)/\(CheckpointContent.Name.history)") }

  /// Values and sharing of the adapter in `directory`.
  private func state(in directory: String, table: SiteTable, head: [HeadParameter]) throws -> TrainableState {
    let stored = try AdapterFile.read(directory, sites: table.sites, methods: [table.method])
    let place = "\(directory)/\(AdapterFile.configName)"
    guard stored.table.sites == table.sites, stored.table.rank == table.rank
    else { throw CheckpointDamage(path: place, problem: "is not for the maps that this run adapts") }
    var state = TrainableState(table: stored.table, head: head)
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
      throw CheckpointDamage(path: trainer.path, problem: "does not hold the state of \(table.method.name)")
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
