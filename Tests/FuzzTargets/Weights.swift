import Checkpoints

extension FuzzTarget {
  /// A safetensors file, and all of its tensors.
  static let safetensors = FuzzTarget(name: "safetensors") { input, directory in
    try directory.fill(["model.safetensors": safetensorsBytes(parts(input))])
    let file = try SafetensorsFile(path: directory.path + "/model.safetensors")
    for name in file.names.prefix(64) {
      guard file.info(name)?.byteCount == (try file.bytes(of: name).count) else {
        throw FuzzFinding(problem: "a tensor of another size than its header says")
      }
      guard file.info(name)?.dtype.elementType != nil else { continue }
      let tensor = try file.tensor(name)
      if tensor.floats().firstIndex(where: { !$0.isFinite }) != tensor.firstNonFinite() {
        throw FuzzFinding(problem: "firstNonFinite is not the first")
      }
    }
    _ = try file.tensor("model.weight")
  }

  /// An index and the shards beside it, which are always the same.
  static let shardIndex = FuzzTarget(name: "shard-index") { input, directory in
    let shard = safetensorsBytes([
      Array(
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F16","shape":[2],"data_offsets":[4,8]}}"#
          .utf8),
      [0, 0, 128, 63, 0, 60, 0, 60],
    ])
    try directory.fill(["model.safetensors.index.json": input, "one.safetensors": shard, "two.safetensors": shard])
    let weights = try WeightFiles(path: directory.path)
    for name in weights.names { _ = weights.info(name) }
    for file in weights.files where !file.path.hasPrefix(directory.path + "/") || file.path.contains("/../") {
      throw FuzzFinding(problem: "a shard outside")
    }
    _ = try weights.tensors([("a", [1]), ("b", [2])])
  }
}
