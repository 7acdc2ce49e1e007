import Diagnostics
import StrictJSON

/// Why the weights of a model directory cannot be used.
public enum CheckpointError: UserFacingError, Equatable {
  /// There is neither a safetensors file nor an index.
  case noWeights(directory: String)
  /// The weights are in Python's pickle format.
  case onlyPickle(directory: String, file: String)
  /// A path in the index leads out of the directory.
  case shardOutside(index: String, line: Int, shard: String)
  case missingShard(index: String, shard: String)
  /// A shard lacks tensors that the index places there.
  case notInShard(index: String, shard: String, tensors: [String])
  /// The checkpoint lacks tensors that the model needs.
  case missingTensors(directory: String, tensors: [String])
  case wrongShape(file: String, tensor: String, found: [Int], expected: [Int])
  case nonFinite(file: String, tensor: String, index: Int)

  /// What is wrong, with file and tensor.
  public var description: String {
    switch self {
    case .noWeights(let directory):
      "\(directory): no weights: neither model.safetensors nor model.safetensors.index.json exists"
    case .onlyPickle(let directory, let file):
      "\(directory): the weights are only in \(file), which is not supported; convert them to model.safetensors "
        + "(in Python: AutoModel.from_pretrained(DIR).save_pretrained(DIR))"
    case .shardOutside(let index, let line, let shard):
      "\(index):\(line): the shard \(shown(shard)) is not a path inside the model directory"
    case .missingShard(let index, let shard): "\(index): the shard \(shown(shard)) is missing"
    case .notInShard(let index, let shard, let tensors):
      "\(index): the shard \(shown(shard)) lacks \(list(tensors))"
    case .missingTensors(let directory, let tensors):
      "\(directory): the checkpoint lacks \(list(tensors)), which the model needs"
    case .wrongShape(let file, let tensor, let found, let expected):
      "\(file): tensor \(shown(tensor)) has the shape \(found), the model needs \(expected)"
    case .nonFinite(let file, let tensor, let index):
      "\(file): tensor \(shown(tensor)) has a NaN or an infinity at index \(index)"
    }
  }

  /// 66 for a missing file, otherwise 65.
  public var exitStatus: ExitStatus {
    switch self {
    case .noWeights, .missingShard: .missingInput
    default: .badInput
    }
  }

  /// `the tensor "a"`, or `5 tensors: "a", "b", "c" and 2 more`.
  private func list(_ tensors: [String]) -> String {
    let names = tensors.map(shown).firstThree
    return tensors.count == 1 ? "the tensor \(names)" : "\(tensors.count) tensors: \(names)"
  }
}

/// Why a safetensors file, or one of its tensors, cannot be used.
public struct SafetensorsError: UserFacingError, Equatable {
  /// The file.
  public let path: String
  /// What is wrong with it.
  public let problem: Problem

  /// What can be wrong.
  public enum Problem: Error, Equatable {
    case tooShort(bytes: Int)
    /// The text file that Git LFS leaves in place of a large file.
    case gitLFSPointer
    case headerTooLong(UInt64)
    case headerBeyondFile(length: Int, available: Int)
    case headerNotJSON(String)
    case headerNotObject
    case metadataNotStrings
    /// A tensor whose entry in the header is not an object.
    case entryNotObject(tensor: String)
    case unknownType(tensor: String)
    case malformedShape(tensor: String)
    case shapeTooLarge(tensor: String)
    /// Numbers of fewer than eight bits that do not fill whole bytes.
    case partialByte(tensor: String)
    case malformedOffsets(tensor: String)
    case offsetsBeyondFile(tensor: String, end: Int, available: Int)
    case sizeMismatch(tensor: String, stored: Int, needed: Int)
    case overlap(tensor: String, other: String)
    case hole(before: String, bytes: Int)
    case trailingBytes(Int)
    case missingTensor(String, nearest: String?)
    /// A tensor whose numbers are not F32, F16 or BF16.
    case unusableType(tensor: String, type: SafetensorsType)
    /// The writer was given two tensors of the same name.
    case duplicateTensor(String)
  }

  /// `path: what is wrong`.
  public var description: String { "\(path): \(problem.sentence)" }

  /// 65, but 70 for what the writer was given.
  public var exitStatus: ExitStatus { if case .duplicateTensor = problem { .internalError } else { .badInput } }
}

extension SafetensorsError.Problem {
  fileprivate var sentence: String {
    switch self {
    case .tooShort(let bytes): "not a safetensors file: \(bytes) bytes, fewer than 8"
    case .gitLFSPointer: "a Git LFS pointer instead of the weights; run `git lfs pull` in its repository"
    case .headerTooLong(let length):
      "not a safetensors file: a header of \(length) bytes, more than 100000000"
    case .headerBeyondFile(let length, let available):
      "the file is cut off: a header of \(length) bytes, but only \(available) bytes follow"
    case .headerNotJSON(let problem): "the header is not JSON: \(problem)"
    case .headerNotObject: "the header is not a JSON object"
    case .metadataNotStrings: "__metadata__ is not an object of strings"
    case .entryNotObject(let tensor): "tensor \(shown(tensor)): its entry in the header is not an object"
    case .unknownType(let tensor): "tensor \(shown(tensor)): its dtype is missing or unknown"
    case .malformedShape(let tensor):
      "tensor \(shown(tensor)): its shape must be a list of whole numbers, none negative"
    case .shapeTooLarge(let tensor): "tensor \(shown(tensor)): its shape overflows 64 bits"
    case .partialByte(let tensor): "tensor \(shown(tensor)): its numbers do not fill whole bytes"
    case .malformedOffsets(let tensor):
      "tensor \(shown(tensor)): its data_offsets must be two whole numbers in ascending order, none negative"
    case .offsetsBeyondFile(let tensor, let end, let available):
      "tensor \(shown(tensor)): its data ends at byte \(end), but the file has \(available) bytes of data"
    case .sizeMismatch(let tensor, let stored, let needed):
      "tensor \(shown(tensor)): its data_offsets span \(stored) bytes, its shape and dtype need \(needed)"
    case .overlap(let tensor, let other): "tensor \(shown(tensor)): its data overlaps tensor \(shown(other))"
    case .hole(let tensor, let bytes): "tensor \(shown(tensor)): \(bytes) bytes before its data belong to no tensor"
    case .trailingBytes(let bytes): "\(bytes) bytes after the last tensor belong to no tensor"
    case .missingTensor(let tensor, let nearest):
      "no tensor \(shown(tensor))" + (nearest.map { "; did you mean \(shown($0))?" } ?? "")
    case .unusableType(let tensor, let type):
      "tensor \(shown(tensor)): weights of type \(type.rawValue) are not supported; supported: F32, F16, BF16"
    case .duplicateTensor(let tensor): "two tensors are named \(shown(tensor))"
    }
  }
}

/// `name` in quotes, on one line, and clipped if it is too long for a message.
func shown(_ name: String) -> String {
  JSONWriter.quoted(name.count > 200 ? name.prefix(200) + "…" : name)
}
