import Diagnostics
import Foundation
import Kernels
import StrictJSON

/// The weights of a model directory as the Hugging Face Hub lays it out.
///
/// Either `model.safetensors` or the shards that `model.safetensors.index.json` names. Tensors are found with and
/// without the prefix of their base model (`bert.`), and LayerNorm weights also by their legacy names.
///
///     let weights = try WeightFiles(path: "models/all-MiniLM-L6-v2", basePrefix: "bert")
///     let words = try weights.tensor("embeddings.word_embeddings.weight", shape: [30522, 384])
public struct WeightFiles: Sendable {
  /// Where the directory is.
  public let path: String
  /// All tensors as the checkpoint names them, file by file.
  public let names: [String]
  /// The safetensors files, in the order of the index; none of a GGUF file.
  public let files: [SafetensorsFile]
  /// The GGUF file, if the weights are in one.
  public let gguf: GGUFFile?
  private let fileOfTensor: [String: Int]
  private let basePrefix: String?
  /// The shard of every tensor that the index lists and that is not there: an error only where the model needs it.
  private let absent: [String: ShardIndex.Place]
  /// Names that are read from a tensor of another name.
  private var aliases: [String: String] = [:]
  private let olderPrefixes: [String]
  /// How its matrices are to be held.
  public var holding = WeightHolding.resident
  /// Where a GGUF file has each tensor, by its name.
  private let ggufTensors: [String: GGUFTensor]

  /// The shape, type and size of a tensor.
  public struct Info: Sendable, Equatable {
    /// Lengths of the dimensions, slowest first.
    public let shape: [Int]
    /// How its numbers are stored; nil if they are of no use for weights.
    public let type: ElementType?
    /// The size of its data in bytes.
    public let byteCount: Int
  }

  /// Maps the weights of the directory `path` and checks that they are complete. `basePrefix` is what task models of the
  /// family call their base model, `olderPrefixes` what they called it.
  ///
  /// Throws `CheckpointError`, `SafetensorsError`, `FileError`, or a list of them.
  public init(path: String, basePrefix: String? = nil, olderPrefixes: [String] = []) throws {
    self.path = path
    (gguf, ggufTensors) = (nil, [:])
    self.basePrefix = basePrefix
    self.olderPrefixes = olderPrefixes
    let single = path + "/model.safetensors"
    let index = path + "/model.safetensors.index.json"
    let tensors: [[String]]
    if exists(single) {
      files = [try SafetensorsFile(path: single)]
      tensors = files.map(\.names)
      absent = [:]
    } else if exists(index) {
      let index = try ShardIndex(path: index)
      let files = try Self.open(index, in: path)
      self.files = files
      tensors = zip(files, index.shards).map { file, shard in shard.tensors.filter { file.info($0) != nil } }
      absent = Dictionary(
        zip(files, index.shards).flatMap { file, shard in
          shard.tensors.filter { file.info($0) == nil }
            .map { ($0, ShardIndex.Place(index: index.path, shard: shard.file)) }
        }, uniquingKeysWith: { first, _ in first })
    } else {
      throw Self.withoutSafetensors(path)
    }
    names = tensors.flatMap { $0 }
    let numbers = tensors.enumerated().flatMap { number, names in names.map { ($0, number) } }
    fileOfTensor = Dictionary(numbers, uniquingKeysWith: { first, _ in first })
  }

  /// The weights in a GGUF file: those of `tensors` that it has. It may also have tensors `ofConfig`; any other would be
  /// ignored, and is an error. `family` is what the file calls the architecture.
  public init(gguf file: GGUFFile, tensors: [GGUFTensor], ofConfig: [String], family: String) throws {
    let present = tensors.filter { file.info($0.stored) != nil }
    let known = Set(present.map(\.stored) + ofConfig), unused = file.names.filter { !known.contains($0) }
    guard unused.isEmpty else { throw GGUFError(path: file.path, .unusedTensors(unused, family: family)) }
    (path, gguf, files, basePrefix, olderPrefixes) = (file.path, file, [], nil, [])
    names = present.map(\.name)
    fileOfTensor = Dictionary(names.map { ($0, 0) }) { first, _ in first }
    ggufTensors = Dictionary(tensors.map { ($0.name, $0) }) { first, _ in first }
    absent = [:]
  }

  private static func open(_ index: ShardIndex, in directory: String) throws -> [SafetensorsFile] {
    var files: [SafetensorsFile] = []
    var errors: [any UserFacingError] = []
    for (shard, _) in index.shards {
      let path = "\(directory)/\(shard)"
      guard exists(path) else {
        errors.append(CheckpointError.missingShard(index: index.path, shard: shard))
        continue
      }
      do {
        files.append(try SafetensorsFile(path: path))
      } catch let error as any UserFacingError {
        errors.append(error)
      }
    }
    try ErrorList.throwIfAny(errors, showing: 3)
    return files
  }

  private static func withoutSafetensors(_ path: String) -> any UserFacingError {
    var status = stat()
    guard stat(path, &status) == 0 else { return FileError(path: path, code: errno) }
    guard status.st_mode & S_IFMT == S_IFDIR else { return FileError(path: path, code: ENOTDIR) }
    for pickle in ["pytorch_model.bin", "pytorch_model.bin.index.json"] where exists("\(path)/\(pickle)") {
      return CheckpointError.onlyPickle(directory: path, file: pickle)
    }
    return CheckpointError.noWeights(directory: path)
  }

  /// The checkpoint's name for the tensor `name`, if possible `name` itself; nil if it has no such tensor.
  ///
  /// As in transformers, a base model's tensors may carry the name under which a task model holds the base model
  /// (`bert.embeddings…` for `embeddings…`) or lack it, and BERT's oldest checkpoints call the weight and bias of a
  /// LayerNorm gamma and beta.
  func storedName(of name: String) -> String? {
    spellings(of: name).first { fileOfTensor[$0] != nil } ?? aliases[name].flatMap(storedName)
  }

  private func spellings(of name: String) -> [String] {
    var spellings = [name]
    if let prefix = basePrefix.map({ $0 + "." }) {
      spellings.append(name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : prefix + name)
    }
    spellings += olderPrefixes.map { "\($0).\(name)" }
    for (now, then) in [("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")]
    where name.hasSuffix(now) {
      spellings += spellings.map { $0.dropLast(now.count) + then }
    }
    return spellings
  }

  /// The same files, where the tensor `name`, if it is missing, is the one called `other`.
  public func reading(_ name: String, from other: String) -> WeightFiles {
    var files = self
    files.aliases[name] = other
    return files
  }

  /// Whether the checkpoint has the tensor `name`.
  public func contains(_ name: String) -> Bool { storedName(of: name) != nil }

  /// The shape and type of the tensor `name`; nil if there is no such tensor.
  public func info(_ name: String) -> Info? {
    if let gguf {
      return storedName(of: name).flatMap { ggufTensors[$0] }.flatMap { gguf.info($0.stored) }
        .map { Info(shape: $0.shape, type: $0.type, byteCount: $0.byteCount) }
    }
    return locate(name).flatMap { $0.file.info($0.name) }
      .map { Info(shape: $0.shape, type: $0.dtype.elementType, byteCount: $0.byteCount) }
  }

  /// Bytes of all tensors in the files.
  public var byteCount: Int {
    let stored = files.flatMap { file in file.names.compactMap { file.info($0)?.byteCount } }
    return (stored + (gguf.map { file in file.names.compactMap { file.info($0)?.byteCount } } ?? [])).reduce(0, +)
  }

  /// The tensor `name`, not copied. Throws if it is missing, has another shape, or is not F32, F16 or BF16.
  public func tensor(_ name: String, shape: [Int]) throws -> FrozenTensor {
    if let gguf { return try tensor(name, shape: shape, in: gguf) }
    guard let (file, stored) = locate(name) else { throw missing([name])[0] }
    let tensor = try file.tensor(stored)
    guard tensor.shape == shape else {
      throw CheckpointError.wrongShape(file: file.path, tensor: stored, found: tensor.shape, expected: shape)
    }
    return tensor
  }

  private func tensor(_ name: String, shape: [Int], in file: GGUFFile) throws -> FrozenTensor {
    guard let place = storedName(of: name).flatMap({ ggufTensors[$0] }), let info = file.info(place.stored) else {
      throw missing([name])[0]
    }
    guard info.shape == shape, let tensor = place.tensor(in: file) else {
      throw CheckpointError.wrongShape(
        file: file.path(of: place.stored), tensor: place.stored, found: info.shape, expected: shape)
    }
    return tensor
  }

  /// The tensors `wanted`, by the names that were asked for. Every missing or misshapen one is reported at once.
  public func tensors(_ wanted: [(name: String, shape: [Int])]) throws -> [String: FrozenTensor] {
    var found: [String: FrozenTensor] = [:]
    var errors: [any UserFacingError] = []
    errors += missing(wanted.map(\.name).filter { !contains($0) })
    for (name, shape) in wanted where contains(name) {
      do {
        found[name] = try tensor(name, shape: shape)
      } catch let error as any UserFacingError {
        errors.append(error)
      }
    }
    try ErrorList.throwIfAny(errors, showing: 3)
    return found
  }

  /// What is wrong where the tensors `names` are missing: apart for each shard in which the index places them.
  private func missing(_ names: [String]) -> [CheckpointError] {
    if gguf != nil {
      let stored = names.map { ggufTensors[$0]?.stored ?? $0 }
      return stored.isEmpty ? [] : [.missingTensors(directory: path, tensors: stored)]
    }
    var places: [ShardIndex.Place] = [], listed: [ShardIndex.Place: [String]] = [:], unlisted: [String] = []
    for name in names {
      guard let (stored, place) = spellings(of: name).lazy.compactMap({ n in absent[n].map { (n, $0) } }).first else {
        unlisted.append(name)
        continue
      }
      if listed[place] == nil { places.append(place) }
      listed[place, default: []].append(stored)
    }
    return (unlisted.isEmpty ? [] : [.missingTensors(directory: path, tensors: unlisted)])
      + places.map { .notInShard(index: $0.index, shard: $0.shard, tensors: listed[$0] ?? []) }
  }

  /// Throws if `tensors`, by their requested names, have a NaN or an infinity. Names three of the tensors.
  public func refuseNonFinite(_ tensors: [String: FrozenTensor]) throws {
    var errors: [any UserFacingError] = []
    for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      guard let index = tensor.firstNonFinite() else { continue }
      let (file, stored) = place(of: name)
      errors.append(CheckpointError.nonFinite(file: file, tensor: stored, index: index))
    }
    try ErrorList.throwIfAny(errors, showing: 3)
  }

  /// Drops the files' pages from memory (madvise). They are read again when needed.
  public func forgetPages() {
    files.forEach { $0.forgetPages() }
    gguf?.forgetPages()
  }

  /// The file of a tensor and its name there.
  private func place(of name: String) -> (file: String, name: String) {
    if let gguf, let stored = ggufTensors[name]?.stored { return (gguf.path(of: stored), stored) }
    return locate(name).map { ($0.file.path, $0.name) } ?? (path, name)
  }

  private func locate(_ name: String) -> (file: SafetensorsFile, name: String)? {
    guard gguf == nil, let stored = storedName(of: name), let number = fileOfTensor[stored] else { return nil }
    return (files[number], stored)
  }
}

/// Whether something has the name `path`, be it a dangling link.
private func exists(_ path: String) -> Bool {
  var status = stat()
  return lstat(path, &status) == 0
}

/// `model.safetensors.index.json`: the file of every tensor.
private struct ShardIndex {
  /// Where the index places a tensor.
  struct Place: Hashable {
    let index: String
    let shard: String
  }

  let path: String
  /// Tensors of each shard in the order of the index; shards in the order of their first tensor.
  let shards: [(file: String, tensors: [String])]

  /// Reads the index. Reports every path that leads out of the directory.
  init(path: String) throws {
    let root = JSONField(try JSONParser.parse(MappedFile(path: path).text(), file: path), file: path)
    let directory = AtomicFile.directory(of: path)
    var order: [String] = []
    var tensors: [String: [String]] = [:]
    var errors: [any UserFacingError] = []
    var refused: Set<String> = []
    for (name, field) in try root.member("weight_map").members() {
      guard let shard = field.node.string else {
        errors.append(field.error(.wrongValue(expected: "a string", found: field.node.kind)))
        continue
      }
      if tensors[shard] == nil {
        guard shard.isPathInside, Self.folderStaysInside(shard, of: directory) else {
          if refused.insert(shard).inserted {
            errors.append(CheckpointError.shardOutside(index: path, line: field.node.line, shard: shard))
          }
          continue
        }
        order.append(shard)
      }
      tensors[shard, default: []].append(name)
    }
    try ErrorList.throwIfAny(errors, showing: 3)
    self.path = path
    shards = order.map { ($0, tensors[$0] ?? []) }
  }

  /// Whether the folder of `shard`, after following links, is in `directory`. The file itself may be a link, as in the
  /// Hub's cache.
  private static func folderStaysInside(_ shard: String, of directory: String) -> Bool {
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
