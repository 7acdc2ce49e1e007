import Diagnostics

/// Why the weights of a model directory cannot be used.
public enum CheckpointError: UserFacingError, Equatable {
  /// There is neither a safetensors file nor an index.
  case noWeights(directory: String)
  /// The weights are in Python's pickle format.
  case onlyPickle(directory: String, file: String)
  case malformedIndex(file: String, line: Int, problem: String)
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
    case .malformedIndex(let file, let line, let problem): "\(file):\(line): \(problem)"
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
