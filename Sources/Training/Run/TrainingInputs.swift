import Adapters
import Checkpoints
import Configuration
import Diagnostics
import Foundation
import Kernels
import Metrics
import StrictJSON
import Tasks
import Tokenizers

/// The data that a run trains on and the state that it begins with, for `train` and its dry run alike. Writes nothing.
struct TrainingInputs {
  let run: PreparedRun
  /// The training examples; nil if they are missing.
  let train: EncodedDataset?
  /// Rows of a classification's training file; known even without a tokenizer.
  let trainExamples: Int?
  /// The splits to score, none with `eval_strategy` no; the first one ranks states.
  let evaluationSets: [(split: Split, data: EncodedDataset)]
  /// The steps; nil if the examples are missing.
  let steps: StepPlan?
  /// Identifies the inputs; nil if some are missing.
  let fingerprint: InputFingerprint?
  let resumed: ResumePoint?
  /// Where the run begins; nil if inputs are missing.
  let start: TrainingSnapshot?
  /// Missing inputs, in words; none unless they are listed.
  let missing: [String]
  /// Notes for the user.
  let notices: [String]

  /// Reads and checks everything that `config` names. With `isDryRun`, missing inputs are listed and the output
  /// directory is not locked.
  init(_ config: RunConfig, threads: Int, start: RunStart, isDryRun: Bool = false) throws {
    let output = OutputDirectory(config.outputDir)
    try output.refuseIfTaken(overwrite: start != .fresh)
    let run = try PreparedRun(config, threads: threads, inputs: isDryRun ? .listed : .required)
    if let task = try? run.task() { try config.training.requireRankingMetric(in: task.metrics) }
    var missing = run.missing
    resumed = start == .resume ? try ResumePoint(output, catalog: config.catalog, locks: !isDryRun) : nil
    var notices = run.notices

    let rows = try missing.find { try run.task().load(.train, toTrain: true) }.value
    train = try missing.find { try rows.map(run.encode) }.value ?? nil
    trainExamples = train?.items.count ?? rows.flatMap { $0.examples.isEmpty ? nil : $0.examples.count }
    if let train, train.items.isEmpty { throw RunError.noExamples(file: try run.task().file(.train)) }
    var evaluationSets: [(split: Split, data: EncodedDataset)] = []
    if config.training.evalStrategy != .no {
      let splits = try missing.find { try run.evaluationSplits() }.value
      notices += splits?.notices ?? []
      for split in splits?.present ?? [] {
        if let data = try missing.find({ try run.load(split) }).value { evaluationSets.append((split, data)) }
      }
    }
    self.evaluationSets = evaluationSets
    notices += (train?.leftOut ?? []) + evaluationSets.flatMap(\.data.leftOut)
    notices += (try? run.tokenizer().textNotes) ?? []

    steps = trainExamples.map { StepPlan(examples: $0, config.training) }
    if let train, (try? run.network()) != nil {
      fingerprint = try InputFingerprint(train: train, evaluationSets: evaluationSets, model: run.modelDirectory)
    } else {
      fingerprint = nil
    }
    notices += resumed?.notices ?? []
    if let steps, let fingerprint {
      if let checkpoint = resumed?.checkpoint {
        notices += try checkpoint.changes(config, fingerprint: fingerprint, totalSteps: steps.total)
        self.start = try checkpoint.snapshot(table: run.table, head: run.head())
      } else {
        self.start = TrainingSnapshot(
          state: try run.freshState(notices: &notices), loop: LoopState(), totalSteps: steps.total,
          procedure: try run.method.procedure?.begin(config.adapter.methodOptions, run.table, steps.total))
      }
    } else {
      self.start = nil
      if let directory = config.adapter.initFrom {
        let methods = config.catalog.methods
        let source = try missing.find { try AdapterSource.read(directory, run.geometry, methods: methods) }.value
        _ = try source?.initialise(run.table, scale: run.scale)
      }
    }
    self.run = run
    self.missing = missing.list
    self.notices = notices
  }
}

/// What `train` does if the output directory already holds a run.
public enum RunStart: Sendable {
  /// Refuses.
  case fresh
  /// Replaces it.
  case overwrite
  /// Continues it; starts afresh if there is none.
  case resume
}

/// A run to be resumed: locked and read, nothing changed yet.
struct ResumePoint: Sendable {
  /// Kept until the run ends; nil without an output directory, and in a dry run.
  let lock: OutputLock?
  /// The run's row in the database; nil if none was begun.
  let identity: RunIdentity?
  /// The checkpoint to continue from; nil if none was written.
  let checkpoint: Checkpoint?
  var notices: [String]

  /// Looks for a run in `output`, and with `locks` locks it. Throws if another process has, if there is no checkpoint of a
  /// finished run, or if all are damaged.
  init(_ output: OutputDirectory, catalog: Catalog, locks: Bool) throws {
    guard FileManager.default.fileExists(atPath: output.path) else {
      (lock, identity, checkpoint, notices) = (nil, nil, nil, [])
      return
    }
    lock = locks ? try OutputLock(output.path) : nil
    let folder = CheckpointFolder(output: output.path, catalog: catalog)
    let newest = try folder.newest()
    identity = try RunIdentity.read(output.path)
    checkpoint = newest?.checkpoint
    notices = newest?.notices ?? []
    if newest == nil {
      if output.holdsAdapter { throw RunError.nothingToResume(directory: output.path) }
      notices.append("\(output.path) holds no checkpoint yet; the run starts from the beginning")
    }
  }
}

/// Distinguishes missing inputs, which a dry run lists, from wrong ones.
struct MissingInputs {
  let areListed: Bool
  private(set) var list: [String] = []

  init(areListed: Bool) { self.areListed = areListed }

  /// The value of `body`, or why it is missing.
  mutating func find<Value>(_ body: () throws -> Value) throws -> Result<Value, any Error> {
    do {
      return .success(try body())
    } catch let error as any UserFacingError where areListed {
      let errors = (error as? ErrorList)?.errors ?? [error]
      try ErrorList.throwIfAny(errors.filter { !Self.isAbsence($0) })
      list += errors.map(\.description).filter { !list.contains($0) }
      return .failure(error)
    }
  }

  /// A file that exists but cannot be opened is an error in a dry run, too.
  private static func isAbsence(_ error: any UserFacingError) -> Bool {
    switch error {
    case TaskError.missingFile, TokenizerError.noTokenizer, TokenizerError.noVocabulary, CheckpointError.noWeights,
      CheckpointError.missingShard:
      true
    case let error as FileError: error == FileError(path: error.path, code: noSuchFile)
    default: false
    }
  }

  private static let noSuchFile: Int32 = 2
}

extension Result {
  var value: Success? { try? get() }
}

/// Identifies the data and the model of a run, wherever they are stored.
struct InputFingerprint: Sendable, Equatable {
  /// SHA-256 of every split's tokens and labels, by its name.
  let splits: [String: String]
  /// SHA-256 of the model's `config.json` and of samples of every tensor.
  let model: String
  /// SHA-256 of what counts as an answer in every split, by its name; empty in checkpoints of earlier versions.
  var targets: [String: String] = [:]

  /// Differences from the inputs of a checkpoint, in words.
  func differences(from stored: InputFingerprint, config: RunConfig) -> [String] {
    var differences: [String] = []
    if model != stored.model { differences.append("model: \(config.model) is not the same model as before") }
    // Checkpoints of earlier versions have digests of validation splits that they never scored.
    let before = config.training.evalStrategy == .no ? [] : stored.splits.keys.sorted()
    for name in Set(splits.keys).union(before).sorted() where splits[name] != stored.splits[name] {
      differences.append("task: the examples of the split \(name) have changed")
    }
    for (name, before) in stored.targets.sorted(by: { $0.key < $1.key })
    where splits[name] == stored.splits[name] && targets[name] != before {
      differences.append("task: the answers in the split \(name) now begin or end at other tokens")
    }
    return differences
  }

  var json: JSONValue {
    func members(_ digests: [String: String]) -> JSONValue {
      .members(digests.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
    }
    return ["splits": members(splits), "model": .string(model), "targets": members(targets)]
  }
}

extension InputFingerprint {
  /// The fingerprint of what a run has loaded.
  init(train: EncodedDataset, evaluationSets: [(split: Split, data: EncodedDataset)], model directory: String) throws {
    var splits: [String: String] = [:], targets: [String: String] = [:]
    for (split, data) in [(split: .train, data: train)] + evaluationSets {
      splits[split.rawValue] = data.fingerprint
      targets[split.rawValue] = data.targetFingerprint
    }
    self.init(splits: splits, model: try Self.model(directory), targets: targets)
  }

  /// What `json` holds.
  init(_ field: JSONField) throws {
    func digests(_ field: JSONField) throws -> [String: String] {
      Dictionary(uniqueKeysWithValues: try field.members().map { ($0.key, try $0.field.string()) })
    }
    self.init(
      splits: try digests(field.member("splits")), model: try field.member("model").string(),
      targets: try field.optional("targets").map(digests) ?? [:])
  }

  /// A hash over every byte would read the whole model; samples of every tensor tell fine-tuned models apart as well.
  private static func model(_ path: String) throws -> String {
    var digest = Digest()
    let config = try MappedFile(path: "\(path)/config.json")
    digest.update(config.bytes)
    for file in try WeightFiles(path: path).files {
      for name in file.names {
        guard let info = file.info(name) else { continue }
        digest.update(name)
        digest.update(info.shape)
        digest.update(info.dtype.rawValue)
        guard info.dtype.elementType != nil else { continue }
        let tensor = try file.tensor(name)
        withExtendedLifetime(tensor) {
          let bytes = UnsafeRawBufferPointer(start: tensor.bytes, count: info.byteCount)
          let piece = 256, pieces = 16
          for index in 0..<pieces {
            let start = max(0, bytes.count - piece) / (pieces - 1) * index
            digest.update(UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + piece, bytes.count)]))
          }
        }
      }
    }
    return digest.text
  }
}

extension EncodedDataset {
  /// SHA-256 of the examples, in order.
  fileprivate var fingerprint: String {
    var digest = Digest()
    digest.update([items.count])
    for item in items {
      digest.update([item.ids.count])
      digest.update(item.ids)
      digest.update(item.typeIDs)
      switch item.label {
      case .classIndex(let index): digest.update([1, index])
      case .score(let score): digest.update([2, Int(score.bitPattern)])
      case nil: digest.update([0, 0])
      }
    }
    return digest.text
  }

  /// SHA-256 of what the model is to predict in each example: documents and the tokens in them that count, and which
  /// ids are choices.
  fileprivate var targetFingerprint: String {
    var digest = Digest()
    for item in items {
      digest.update([item.documents.count])
      for document in item.documents {
        digest.update([document.length, document.targets.count])
        digest.update(document.targets.flatMap { [$0.lowerBound, $0.upperBound] })
      }
      digest.update([item.choices?.sharedTarget ?? -1] + (item.choices?.lengths ?? []))
    }
    return digest.text
  }
}
