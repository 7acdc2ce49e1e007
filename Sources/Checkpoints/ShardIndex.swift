import Diagnostics
import Kernels
import StrictJSON

/// `model.safetensors.index.json`: which file of the directory holds which tensor.
struct ShardIndex {
  /// The index itself.
  let path: String
  /// Tensors of each shard in the order of the index; shards in the order of their first tensor.
  let shards: [(file: String, tensors: [String])]

  /// Reads the index. Every path that leaves the directory is reported.
  init(path: String) throws {
    let file = try MappedFile(path: path)
    let root = try JSONParser.parse(file.copy(0..<file.count), file: path)
    func malformed(_ line: Int, _ problem: String) -> CheckpointError {
      .malformedIndex(file: path, line: line, problem: problem)
    }
    guard let map = root["weight_map"], let members = map.object else {
      throw malformed(root["weight_map"]?.line ?? root.line, "weight_map is not an object of tensor names and files")
    }
    var order: [String] = []
    var tensors: [String: [String]] = [:]
    var errors: [any UserFacingError] = []
    var refused: Set<String> = []
    for name in members.keys {
      guard let node = members[name] else { continue }
      guard let shard = node.string else {
        errors.append(malformed(node.line, "the file of tensor \(shown(name)) is \(node.kind), expected a string"))
        continue
      }
      guard Self.staysInside(shard) else {
        if refused.insert(shard).inserted {
          errors.append(CheckpointError.shardOutside(index: path, line: node.line, shard: shard))
        }
        continue
      }
      if tensors[shard] == nil { order.append(shard) }
      tensors[shard, default: []].append(name)
    }
    try ErrorList.throwIfAny(errors)
    self.path = path
    shards = order.map { ($0, tensors[$0] ?? []) }
  }

  /// Whether `shard` is a relative path without `..`.
  private static func staysInside(_ shard: String) -> Bool {
    let parts = shard.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    return !shard.isEmpty && !shard.utf8.contains(0) && !parts.contains { $0.isEmpty || $0.elementsEqual("..".utf8) }
  }
}
