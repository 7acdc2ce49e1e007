import Adapters
import Cluster
import Configuration
import Diagnostics
import Foundation
import Metrics
import Models
import RunStore
import Tasks

/// `swift-peft train`: checks a run, trains it, and writes its files and its row in the database.
///
/// Nothing on disk changes before every input has been read and checked.
public struct TrainingRun {
  /// Model, data and tokenizer.
  public let run: PreparedRun
  /// The loop over the loaded data.
  public private(set) var trainer: Trainer
  /// Notes for the user, before the run starts.
  public let notices: [String]
  /// Optimiser steps done by an earlier process.
  public let firstStep: Int

  private let start: RunStart
  private let resumed: ResumePoint?
  private let fingerprint: InputFingerprint
  private let labels: LabelSpace?

  /// Loads and checks everything that `config` names, and for `.resume` the run's newest checkpoint.
  ///
  /// The ranks of `cluster` train it together; with `allowsMixedMachines` also where they round differently.
  public init(
    _ config: RunConfig, threads: Int, start: RunStart, cluster: Cluster = .alone, allowsMixedMachines: Bool = false
  ) throws {
    let inputs = try TrainingInputs(
      config, threads: threads, start: start, cluster: cluster, allowsMixedMachines: allowsMixedMachines)
    let data = inputs.data, run = data.run
    guard let train = data.train, let begun = inputs.start, let fingerprint = data.fingerprint else {
      preconditionFailure("a run's inputs are all required")
    }
    (self.run, self.start, self.fingerprint, resumed) = (run, start, fingerprint, inputs.resumed)
    labels = try run.task().labels
    firstStep = begun.state.step
    let limit = try WorkerLimit(run, items: train.items, numbers: begun.state.storageCount)
    trainer = Trainer(
      state: begun.state, loop: begun.loop,
      engine: try run.engine(scale: run.scale, workers: limit.workers, toTrainOn: train.items),
      config: config.training,
      train: train, evaluationSets: data.evaluationSets, procedure: begun.procedure, philox: run.philox,
      steps: data.steps)
    notices =
      inputs.notices + run.cluster.collect(note: limit.notice) + (try ClusterPlan.notices(run, items: train.items))
      + (firstStep > 0 ? ["resumed after step \(firstStep) of \(trainer.totalSteps)"] : [])
  }

  /// What a run left behind.
  public struct Summary: Sendable {
    /// The run's row in the database.
    public fileprivate(set) var runID: Int64
    /// Optimiser steps done.
    public let step: Int
    /// Scores of every split.
    public let reports: [EvaluationReport]
    /// The sizes at the end, after merges.
    public let parameters: ParameterCounts
    /// Bytes of the adapter's tensors in files, those that do not train included.
    public let adapterBytes: Int
    /// Whether `shouldStop` ended it.
    public let wasInterrupted: Bool
    /// Why the database is incomplete, if it could not be written at the end.
    public let recordingFailure: (any UserFacingError)?
  }

  /// Trains, writes checkpoints and the output directory, and keeps the database's row in step: files first, rows
  /// after.
  ///
  /// With `ownDatabase`, the row is in this file instead of the config's database, whatever the file system: one
  /// process writes it, and others of other machines may read it.
  public mutating func execute(
    ownDatabase: String? = nil, shouldStop: () -> Bool = { false }, onEvent: (TrainingEvent) throws -> Void
  ) throws -> Summary {
    let cluster = run.cluster
    // Only rank 0 has files and a database.
    let place = try cluster.together { cluster.leads ? try takePlace(ownDatabase) : .elsewhere }
    var summary =
      switch place {
      case .elsewhere: summary(try trainer.run(shouldStop: shouldStop) { _ in }, id: 0)
      case .complete(let id): try finishComplete(id, shouldStop, onEvent)
      case .begun(let begun): try lead(begun, isOwn: ownDatabase != nil, shouldStop, onEvent)
      }
    // The others wait here until everything is written.
    summary.runID = cluster.patiently { cluster.broadcast(number: summary.runID) }
    return summary
  }

  /// Looks at a run that has nothing left to train.
  private mutating func finishComplete(
    _ id: Int64, _ shouldStop: () -> Bool, _ onEvent: (TrainingEvent) throws -> Void
  ) throws -> Summary {
    try onEvent(.notice("the run is complete: there is nothing to do"))
    // An evaluation may still be pending.
    return summary(try trainer.run(shouldStop: shouldStop) { _ in }, id: id)
  }

  /// Trains on rank 0, which writes.
  private mutating func lead(
    _ begun: Begun, isOwn: Bool, _ shouldStop: () -> Bool, _ onEvent: (TrainingEvent) throws -> Void
  ) throws -> Summary {
    if !isOwn, let notice = RunStore.notice(begun.store.path) { try onEvent(.notice(notice)) }
    let config = run.config, output = OutputDirectory(config.outputDir)
    return try withExtendedLifetime(begun.lock) {
      let recorder = RunRecorder(
        store: begun.store, id: begun.id, run: details(), identity: begun.identity, history: begun.history,
        checkpoints: begun.checkpoints)
      let folder = CheckpointFolder(output: output.path)
      let saver = CheckpointSaver(
        folder: folder, limit: config.training.saveTotalLimit, newest: resumed?.checkpoint?.step,
        onSaved: { recorder.recordCheckpoint(step: $0, path: $1, removed: $2) })
      do {
        try output.write(config: config)
        let outcome = try train(saver, recorder, shouldStop, onEvent)
        try saver.finish()
        try Self.announce(saver, recorder, onEvent)
        // Before the adapter, which makes the directory a run that can be scored.
        try run.int8Factors?.write(to: output.path)
        try output.write(adapter: run.stored(trainer.state, labels: labels))
        try output.write(results: outcome.reports)
        return try finish(outcome, recorder, onEvent)
      } catch {
        // The training error is what the person must see, also where the database cannot be told of it.
        try? saver.wait()
        try? recorder.finish(.failed)
        try? Self.announce(saver, recorder, onEvent)
        throw error
      }
    }
  }

  private mutating func train(
    _ saver: CheckpointSaver, _ recorder: RunRecorder, _ shouldStop: () -> Bool,
    _ onEvent: (TrainingEvent) throws -> Void
  ) throws -> Trainer.Outcome {
    let run = run, config = run.config.jsonText(), fingerprint = fingerprint, labels = labels
    // Groups that the run starts with are merges of step 0 in its records.
    if resumed?.checkpoint == nil { run.table.mergesBeforeTraining.forEach(recorder.record) }
    return try trainer.run(shouldStop: shouldStop) { event in
      try saver.check()
      switch event {
      case .log(let report): recorder.record(report)
      case .evaluated(let report): recorder.record(report)
      case .merged(let event): recorder.record(event)
      case .checkpoint(let snapshot):
        try saver.save(
          CheckpointContent(
            snapshot: snapshot, stored: { run.stored($0, labels: labels) }, config: config, history: recorder.history,
            fingerprint: fingerprint, int8Factors: run.int8Factors))
      case .step, .notice: break
      }
      try Self.announce(saver, recorder, onEvent)
      try onEvent(event)
    }
  }

  private func finish(
    _ outcome: Trainer.Outcome, _ recorder: RunRecorder, _ onEvent: (TrainingEvent) throws -> Void
  ) throws -> Summary {
    var failure: (any UserFacingError)?
    do {
      try recorder.finish(outcome.wasInterrupted ? .interrupted : .completed, parameters: parameters)
    } catch let error as any UserFacingError {
      failure = error
    }
    for notice in recorder.takeNotices() { try onEvent(.notice(notice)) }
    return summary(outcome, id: recorder.id, recordingFailure: failure)
  }

  private func summary(
    _ outcome: Trainer.Outcome, id: Int64, recordingFailure: (any UserFacingError)? = nil
  ) -> Summary {
    Summary(
      runID: id, step: trainer.state.step, reports: outcome.reports, parameters: parameters,
      adapterBytes: 4 * trainer.state.table.storedCount, wasInterrupted: outcome.wasInterrupted,
      recordingFailure: recordingFailure)
  }

  /// Passes on the notices of the two other threads.
  private static func announce(
    _ saver: CheckpointSaver, _ recorder: RunRecorder, _ onEvent: (TrainingEvent) throws -> Void
  ) throws {
    for notice in saver.takeNotices() + recorder.takeNotices() { try onEvent(.notice(notice)) }
  }

  /// The sizes at present.
  public var parameters: ParameterCounts {
    let adapter = trainer.state.table.parameterCount
    let head = trainer.state.head.map(\.count).reduce(0, +)
    return ParameterCounts(
      adapter: adapter, trainable: adapter + head,
      total: run.geometry.totalParameters(labels: labels?.outputs) + adapter)
  }

  private func details() -> RunDetails {
    let config = run.config
    return RunDetails(
      name: config.name, model: config.model, modelType: run.model.modelType,
      task: config.task.name, strategy: config.adapter.strategy, r: config.adapter.r,
      loraAlpha: config.adapter.loraAlpha, seed: config.training.seed, precision: config.training.precision.rawValue,
      threads: run.pool.threads, parameters: parameters, config: config.jsonText(), outputDir: config.outputDir,
      version: ProductVersion.current)
  }
}

// MARK: - The run's directory and row

extension TrainingRun {
  /// Where a rank's files go.
  fileprivate enum Place {
    /// Another rank writes them.
    case elsewhere
    /// They are there, and so is the run's row.
    case complete(Int64)
    case begun(Begun)
  }

  fileprivate struct Begun {
    let store: RunStore
    let lock: OutputLock
    let identity: RunIdentity
    let id: Int64
    var history = HistoryLog()
    var checkpoints: [Int: String] = [:]
  }

  /// Opens the database and takes the output directory, unless the run is complete.
  fileprivate func takePlace(_ ownDatabase: String?) throws -> Place {
    let store =
      try ownDatabase.map { try RunStore(path: $0, journal: .rollback) } ?? RunStore(path: run.config.database)
    try store.checkIntegrity()
    if let id = try completedRun(in: store) { return .complete(id) }
    return .begun(try begin(store, OutputDirectory(run.config.outputDir)))
  }

  /// Takes the output directory and the run's row.
  ///
  /// A fresh run's directory knows the row's token before the row is there, so that a run killed in between is found
  /// again. Where an earlier run is replaced the row comes first: a database that takes no row must not cost its files.
  fileprivate func begin(_ store: RunStore, _ output: OutputDirectory) throws -> Begun {
    let run = details(), folder = CheckpointFolder(output: output.path)
    try output.refuseFileInTheWay()
    try output.create()
    let lock = try resumed?.lock ?? OutputLock(output.path)
    output.removeLeftovers()

    if let resumed, resumed.identity != nil || resumed.checkpoint != nil {
      let identity = resumed.identity ?? RunIdentity()
      try folder.prepare()
      try identity.write(output.path)
      guard let checkpoint = resumed.checkpoint else {
        let id = try store.resumeRun(
          run, token: identity.token, startedAt: identity.startedAt, after: -1, history: RunHistory())
        return Begun(store: store, lock: lock, identity: identity, id: id)
      }
      let history = try checkpoint.history()
      var records = try history.records()
      for step in folder.steps where step <= checkpoint.step { records.checkpoints[step] = folder.path(step: step) }
      let id = try store.resumeRun(
        run, token: identity.token, startedAt: identity.startedAt, after: checkpoint.step, history: records)
      // A stopped run's adapter is in its checkpoint too, and here it would soon be out of date.
      if checkpoint.step < checkpoint.totalSteps, !trainer.isFinished { try output.deleteAdapter() }
      return Begun(
        store: store, lock: lock, identity: identity, id: id, history: history, checkpoints: records.checkpoints)
    }
    let identity = RunIdentity()
    if output.holdsRun {
      // Another process may have begun, or even ended, a run since this one looked.
      guard start == .overwrite || resumed?.lock != nil else {
        throw RunError.outputTaken(directory: output.path, file: CheckpointFolder.name)
      }
      let id = try store.beginRun(run, token: identity.token, startedAt: identity.startedAt)
      try output.deleteRun()
      try folder.prepare()
      try identity.write(output.path)
      return Begun(store: store, lock: lock, identity: identity, id: id)
    }
    try folder.prepare()
    try identity.write(output.path)
    do {
      let id = try store.beginRun(run, token: identity.token, startedAt: identity.startedAt)
      return Begun(store: store, lock: lock, identity: identity, id: id)
    } catch {
      try? output.deleteRun()
      throw error
    }
  }

  /// The run's number if nothing is left to do for it.
  fileprivate func completedRun(in store: RunStore) throws -> Int64? {
    guard trainer.isFinished, let token = resumed?.identity?.token, let id = try store.run(token: token),
      try store.run(id).status == .completed, OutputDirectory(run.config.outputDir).holdsAdapter
    else { return nil }
    return id
  }
}

/// The version of this program.
public enum ProductVersion {
  /// As `--version` prints it.
  public static let current = "0.1.0"
}
