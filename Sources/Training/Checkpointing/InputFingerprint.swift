import Checkpoints
import Configuration
import Diagnostics
import Kernels
import Metrics
import StrictJSON
import Tasks

/// Tells whether a run goes on with the data and the model that it began with, wherever they lie now.
struct InputFingerprint: Sendable, Equatable {
  /// SHA-256 of every split's tokens and labels, by its name.
  let splits: [String: String]
  /// SHA-256 of the model's `config.json` and of samples of every tensor.
  let model: String

  init(splits: [String: String], model: String) {
    self.splits = splits
    self.model = model
  }

  /// The fingerprint of what a run has loaded.
  init(train: EncodedDataset, evaluationSets: [(split: Split, data: EncodedDataset)], model directory: String) throws {
    var splits = [Split.train.rawValue: train.fingerprint]
    for (split, data) in evaluationSets { splits[split.rawValue] = data.fingerprint }
    self.init(splits: splits, model: try Self.model(directory))
  }

  /// What differs from the inputs that a checkpoint was made with, in words.
  func differences(from stored: InputFingerprint, config: RunConfig) -> [String] {
    var differences: [String] = []
    if model != stored.model { differences.append("model: \(config.model) holds another model than before") }
    for name in Set(splits.keys).union(stored.splits.keys).sorted() where splits[name] != stored.splits[name] {
      differences.append("task: the examples of the split \(name) are other ones than before")
    }
    return differences
  }

  var json: JSONValue {
    [
      "splits": .members(splits.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }),
      "model": .string(model),
    ]
  }

  init(_ json: JSONFile) throws {
    let splits = try json.require("splits", \.object)
    self.init(
      splits: Dictionary(uniqueKeysWithValues: splits.keys.map { ($0, splits[$0]?.string ?? "") }),
      model: try json.require("model", \.string))
  }

  /// A hash over every byte would read the whole model; samples of every tensor tell fine-tuned models apart as well.
  private static func model(_ path: String) throws -> String {
    var digest = Digest()
    let config = try MappedFile(path: "\(path)/config.json")
    digest.update(config.bytes)
    for file in try CheckpointDirectory(path: path).files {
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
}
