import Checkpoints
import Diagnostics
import Kernels
import Models

/// Decides, tensor by tensor, what a folded checkpoint holds.
struct FoldPlan {
  let directory: WeightFiles
  let geometry: ModelGeometry
  let task: FoldedCheckpoint.Purpose
  /// By the path of the map.
  let entries: [String: ExpandedAdapter.Entry]
  private(set) var files: [[SafetensorsTensor]] = []
  private(set) var leftOut: [String] = []
  /// What the checkpoint calls the base model's tensors.
  private var stored: [String: String] = [:]
  private var hasOutputLayer = false
  /// Whether folded weights stay float32.
  var staysFloat32 = false
  /// What gives a language model's logits; nil for other purposes.
  let outputLayer: OutputLayer?

  init(
    _ directory: WeightFiles, geometry: ModelGeometry, adapter: ExpandedAdapter, task: FoldedCheckpoint.Purpose
  ) throws {
    self.directory = directory
    outputLayer = task == .languageModel ? try OutputLayer(directory, geometry) : nil
    self.geometry = geometry
    self.task = task
    entries = Dictionary(adapter.entries.map { ($0.site.path, $0) }) { first, _ in first }
  }

  /// The checkpoint's own tensors, folded if they are adapted.
  mutating func addStored() throws {
    let indexed = Set(directory.names)
    for file in directory.files {
      var tensors: [SafetensorsTensor] = []
      for name in file.names where indexed.contains(name) {
        if let tensor = try tensor(name, in: file) { tensors.append(tensor) } else { leftOut.append(name) }
      }
      if !tensors.isEmpty { files.append(tensors) }
    }
    if files.isEmpty { files = [[]] }
  }

  /// Nil for what is left out.
  private mutating func tensor(_ name: String, in file: SafetensorsFile) throws -> SafetensorsTensor? {
    guard let path = geometry.tensor(stored: name) else {
      let isOutputLayer = name == Architecture.languageModelHead && outputLayer.map { !$0.isCopy } ?? false
      hasOutputLayer = hasOutputLayer || isOutputLayer
      let isKept = geometry.config.architecture.otherModules.contains { ".\(name)".contains(".\($0).") }
      return isOutputLayer || isKept || task == .asStored ? SafetensorsTensor(name: name, copyOf: name, in: file) : nil
    }
    if let other = stored.updateValue(name, forKey: path) {
      throw FoldError.ambiguous(directory: directory.path, tensor: path, names: [other, name])
    }
    let output = task == .asStored ? name : prefix + path
    if path.hasSuffix(".weight"), let entry = entries[String(path.dropLast(".weight".count))] {
      let isTransposed = geometry.map(of: entry.site)?.isTransposed ?? false
      return try WeightFold(
        file: file, stored: name, entry: entry, isTransposed: isTransposed, staysFloat32: staysFloat32
      ).tensor(named: output)
    }
    return SafetensorsTensor(name: output, copyOf: name, in: file)
  }

  /// A pooler that the checkpoint lacks; without it transformers would draw another one than the run did.
  mutating func addPooler(_ pooler: [String: HeadTensor]) throws {
    for (path, tensor) in pooler.sorted(by: { $0.key < $1.key }) where stored[path] == nil {
      var tensor = tensor
      if let entry = entries[String(path.dropLast(".weight".count))], path.hasSuffix(".weight") {
        tensor = entry.folded(into: tensor)
      }
      stored[path] = path
      files[files.count - 1].append(tensor.stored(as: prefix + path, type: type))
    }
  }

  /// Throws if a tensor of the base model is missing.
  func requireWhole() throws {
    var paths = Set(entries.keys.map { $0 + ".weight" })
    if task != .asStored {
      paths.formUnion(geometry.parts.flatMap(\.namedTensors).map(\.name))
    }
    // An output layer that is stored alone is the embedding too.
    if let outputLayer, outputLayer.isTied, hasOutputLayer { paths.remove(geometry.tokenEmbedding) }
    var missing = paths.filter { stored[$0] == nil }.sorted()
    if let outputLayer, !outputLayer.isTied, !hasOutputLayer {
      missing.append(Architecture.languageModelHead)
    }
    try ErrorList.throwIfAny(missing.map { FoldError.missingWeight(directory: directory.path, tensor: $0) })
  }

  /// The head, in the last file.
  mutating func addHead(_ head: [String: HeadTensor]) throws {
    guard case .classifier = task else { return }
    let expected = HeadParameter.all(config: geometry.config, labels: 1, kind: geometry.head).map(\.name)
    guard Set(head.keys) == Set(expected) else {
      throw FoldError.wrongHead(found: head.keys.sorted(), expected: expected.sorted())
    }
    files[files.count - 1] += head.sorted { $0.key < $1.key }.map { $1.stored(as: $0, type: type) }
  }

  /// What stands before the base model's tensors: `bert.`.
  private var prefix: String { geometry.basePrefix + "." }

  /// The type of the embeddings.
  private var type: ElementType {
    stored[geometry.tokenEmbedding].flatMap { directory.info($0)?.type } ?? .float32
  }
}

extension ExpandedAdapter.Entry {
  /// g ⊙ (W + s · B A + S) of a small weight in memory.
  func folded(into weight: HeadTensor) -> HeadTensor {
    let columns = site.inFeatures
    var own = [Int: Double]()
    for (index, value) in (sparse?.values ?? []).enumerated() {
      let row = Int(sparse?.places.rows[index] ?? 0), column = Int(sparse?.places.columns[index] ?? 0)
      own[row * columns + column, default: 0] += Double(value)
    }
    let values = weight.values.enumerated().map { index, value in
      let (row, column) = (index / columns, index % columns)
      let product = (0..<rank).reduce(0.0) { $0 + Double(b[row * rank + $1]) * Double(a[$1 * columns + column]) }
      return Float((Double(value) + scale * product + (own[index] ?? 0)) * Double(rowScale?[row] ?? 1))
    }
    return HeadTensor(shape: weight.shape, values: values)
  }
}
