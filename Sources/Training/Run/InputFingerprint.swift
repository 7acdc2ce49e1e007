import Checkpoints
import Configuration
import Diagnostics
import Kernels
import Metrics
import StrictJSON
import Tasks

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
  static func model(_ path: String) throws -> String {
    var digest = Digest()
    if let path = try GGUFFile.path(of: path) { return try model(GGUFFile(path: path)) }
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
        sample(tensor, info.byteCount, &digest)
      }
    }
    return digest.text
  }

  private static func model(_ file: GGUFFile) throws -> String {
    var digest = Digest()
    digest.update(file.metadata.bytes)
    for name in file.names {
      guard let info = file.info(name), let tensor = file.tensor(name) else { continue }
      digest.update(name)
      digest.update(info.shape)
      digest.update(info.type.rawValue)
      sample(tensor, info.byteCount, &digest)
    }
    return digest.text
  }

  private static func sample(_ tensor: FrozenTensor, _ count: Int, _ digest: inout Digest) {
    withExtendedLifetime(tensor) {
      let bytes = UnsafeRawBufferPointer(start: tensor.bytes, count: count)
      let piece = 256, pieces = 16
      for index in 0..<pieces {
        let start = max(0, bytes.count - piece) / (pieces - 1) * index
        digest.update(UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + piece, bytes.count)]))
      }
    }
  }
}

extension EncodedDataset {
  /// SHA-256 of the examples, in order.
  var fingerprint: String {
    var digest = Digest()
    digest.update([items.count])
    for item in items {
      digest.update([item.ids.count])
      digest.update(item.ids)
      digest.update(item.typeIDs)
      switch item.label {
      case .classIndex(let index): digest.update([1, index])
      case .classSet(let set): digest.update([3, set.count] + set)
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
      if let words = item.words { digest.update([words.places.count] + words.places + (words.tags ?? [])) }
    }
    return digest.text
  }
}
