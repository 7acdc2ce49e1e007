import Diagnostics
import Kernels
import StrictJSON

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// `model.safetensors.index.json`: the file of every tensor.
struct ShardIndex {
  /// The index itself.
  let path: String
  /// Tensors of each shard in the order of the index; shards in the order of their first tensor.
  let shards: [(file: String, tensors: [String])]

  /// Reads the index. Reports every path that leads out of the directory.
  init(path: String) throws {
    let file = try MappedFile(path: path)
    let root = try JSONParser.parse(file.text(), file: path)
    func malformed(_ line: Int, _ problem: String) -> CheckpointError {
      .malformedIndex(file: path, line: line, problem: problem)
    }
    guard let map = root["weight_map"], let members = map.object else {
      throw malformed(root["weight_map"]?.line ?? root.line, "weight_map must be an object of tensor names and files")
    }
    var order: [String] = []
    var tensors: [String: [String]] = [:]
    var errors: [any UserFacingError] = []
    var refused: Set<String> = []
    let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    for name in members.keys {
      guard let node = members[name] else { continue }
      guard let shard = node.string else {
        errors.append(malformed(node.line, "the file of tensor \(shown(name)) must be a string, not \(node.kind)"))
        continue
      }
      if tensors[shard] != nil {
        tensors[shard]?.append(name)
        continue
      }
      guard shard.isPathInside, Self.folderStaysInside(shard, of: directory) else {
        if refused.insert(shard).inserted {
          errors.append(CheckpointError.shardOutside(index: path, line: node.line, shard: shard))
        }
        continue
      }
      order.append(shard)
      tensors[shard] = [name]
    }
    try ErrorList.throwIfAny(errors, showing: 3)
    self.path = path
    shards = order.map { ($0, tensors[$0] ?? []) }
  }

  /// Whether the folder of `shard`, after following links, is in `directory`. The file itself may be a link, as in the
  /// Hub's cache.
  static func folderStaysInside(_ shard: String, of directory: String) -> Bool {
    guard let slash = shard.utf8.lastIndex(of: UInt8(ascii: "/")) else { return true }
    guard let root = resolved(directory), let folder = resolved("\(directory)/\(shard[..<slash])") else { return true }
    return folder.utf8.elementsEqual(root.utf8) || folder.utf8.starts(with: (root == "/" ? root : root + "/").utf8)
  }

  /// The path without links; nil if it does not exist.
  private static func resolved(_ path: String) -> String? {
    guard let pointer = realpath(path, nil) else { return nil }
    defer { free(pointer) }
    return String(cString: pointer)
  }
}
