import Diagnostics
import Kernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

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
  /// The safetensors files, in the order of the index.
  public let files: [SafetensorsFile]
  private let fileOfTensor: [String: Int]
  private let basePrefix: String?

  /// Maps the weights of the directory `path` and checks that they are complete. `basePrefix` is what task models of the
  /// family call their base model.
  ///
  /// Throws `CheckpointError`, `SafetensorsError`, `FileError`, or a list of them.
  public init(path: String, basePrefix: String? = nil) throws {
    self.path = path
    self.basePrefix = basePrefix
    let single = path + "/model.safetensors"
    let index = path + "/model.safetensors.index.json"
    if exists(single) {
      let file = try SafetensorsFile(path: single)
      (files, names) = ([file], file.names)
      fileOfTensor = Dictionary(file.names.map { ($0, 0) }, uniquingKeysWith: { first, _ in first })
    } else if exists(index) {
      let index = try ShardIndex(path: index)
      files = try Self.open(index, in: path)
      names = index.shards.flatMap(\.tensors)
      var fileOfTensor: [String: Int] = [:]
      for (number, shard) in index.shards.enumerated() {
        for tensor in shard.tensors { fileOfTensor[tensor] = number }
      }
      self.fileOfTensor = fileOfTensor
    } else {
      throw Self.withoutSafetensors(path)
    }
  }

  private static func open(_ index: ShardIndex, in directory: String) throws -> [SafetensorsFile] {
    var files: [SafetensorsFile] = []
    var errors: [any UserFacingError] = []
    for (shard, tensors) in index.shards {
      let path = "\(directory)/\(shard)"
      guard exists(path) else {
        errors.append(CheckpointError.missingShard(index: index.path, shard: shard))
        continue
      }
      do {
        let file = try SafetensorsFile(path: path)
        let absent = tensors.filter { file.info($0) == nil }
        if !absent.isEmpty {
          errors.append(CheckpointError.notInShard(index: index.path, shard: shard, tensors: absent))
        }
        files.append(file)
      } catch let error as any UserFacingError {
        errors.append(error)
      }
    }
    try ErrorList.throwIfAny(errors)
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
  public func storedName(of name: String) -> String? {
    TensorNames.spellings(of: name, basePrefix: basePrefix).first { fileOfTensor[$0] != nil }
  }

  /// Whether the checkpoint has the tensor `name`.
  public func contains(_ name: String) -> Bool { storedName(of: name) != nil }

  /// The shape and type of the tensor `name`; nil if there is no such tensor.
  public func info(_ name: String) -> SafetensorsFile.Info? { locate(name).flatMap { $0.file.info($0.name) } }

  /// The tensor `name`, not copied. Throws if it is missing, has another shape, or is not F32, F16 or BF16.
  public func tensor(_ name: String, shape: [Int]) throws -> FrozenTensor {
    guard let (file, stored) = locate(name) else {
      throw CheckpointError.missingTensors(directory: path, tensors: [name])
    }
    let tensor = try file.tensor(stored)
    guard tensor.shape == shape else {
      throw CheckpointError.wrongShape(file: file.path, tensor: stored, found: tensor.shape, expected: shape)
    }
    return tensor
  }

  /// The tensors `wanted`, by the names that were asked for. Every missing or misshapen one is reported at once.
  public func tensors(_ wanted: [(name: String, shape: [Int])]) throws -> [String: FrozenTensor] {
    var found: [String: FrozenTensor] = [:]
    var errors: [any UserFacingError] = []
    let missing = wanted.map(\.name).filter { !contains($0) }
    if !missing.isEmpty { errors.append(CheckpointError.missingTensors(directory: path, tensors: missing)) }
    for (name, shape) in wanted where contains(name) {
      do {
        found[name] = try tensor(name, shape: shape)
      } catch let error as any UserFacingError {
        errors.append(error)
      }
    }
    try ErrorList.throwIfAny(errors)
    return found
  }

  /// Throws if `tensors`, by their requested names, have a NaN or an infinity. Names three of the tensors.
  public func refuseNonFinite(_ tensors: [String: FrozenTensor]) throws {
    var errors: [any UserFacingError] = []
    for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      guard let index = tensor.firstNonFinite() else { continue }
      let (file, stored) = locate(name).map { ($0.file.path, $0.name) } ?? (path, name)
      errors.append(CheckpointError.nonFinite(file: file, tensor: stored, index: index))
    }
    try ErrorList.throwIfAny(errors, showing: 3)
  }

  /// Drops the files' pages from memory (madvise). They are read again when needed.
  public func forgetPages() { files.forEach { $0.forgetPages() } }

  private func locate(_ name: String) -> (file: SafetensorsFile, name: String)? {
    guard let stored = storedName(of: name), let number = fileOfTensor[stored] else { return nil }
    return (files[number], stored)
  }
}

/// Whether something has the name `path`, be it a dangling link.
private func exists(_ path: String) -> Bool {
  var status = stat()
  return lstat(path, &status) == 0
}
