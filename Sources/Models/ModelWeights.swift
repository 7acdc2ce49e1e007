import Autograd
import Checkpoints
import Kernels

/// A checkpoint's tensors by transformers' names, checked for shape, and the numbers of its linear maps.
public struct ModelWeights {
  /// The sizes of the model.
  public let config: ModelConfig
  /// What products multiply: matrices of linear maps are held so.
  let precision: Precision
  private let tensors: [String: FrozenTensor]
  /// What is made of linear maps; nil if they are used as they are stored.
  private let preparation: WeightPreparation?
  private let sites: [String: Int]
  private let maps: [String: LinearMap]

  /// The tensors of `geometry`'s parts, and what else is `wanted`, out of `directory`. Each is checked.
  ///
  /// Optional parts that the checkpoint lacks are drawn from `philox`, and `notices` says so. Matrices of linear maps that
  /// products cannot read as they are become copies, once, here, unless they are to be held as stored. With `int8` they are
  /// rounded when they are asked for, and where `packs` says so, laid out anew if the machine has the memory.
  init(
    _ directory: WeightFiles, _ geometry: ModelGeometry, _ precision: Precision, int8: Int8Factors? = nil,
    packs: Bool = false, philox: Philox, wanted: [(name: String, shape: [Int])] = [], notices: inout [String]
  ) throws {
    let drawn = geometry.missingParts(of: directory)
    let stored = geometry.parts.filter { !drawn.contains($0) }.flatMap(\.namedTensors)
    var tensors = try directory.tensors(stored + wanted)
    try directory.refuseNonFinite(tensors)
    for part in drawn {
      notices.append("\(directory.path) has no \(part.path): it is drawn from the seed and stays frozen")
      for (name, values) in part.fresh(philox: philox, config: geometry.config) { tensors[name] = values }
    }
    let packing = packs && directory.holding == .resident && geometry.packs(precision)
    let preparation =
      int8.map { WeightPreparation.int8($0, isPacked: geometry.int8BytesPerWeight == 2) }
      ?? (packing ? .packed(precision) : nil)
    self.init(geometry, precision, directory.holding, preparation, tensors: tensors)
  }

  /// Tensors of the right shapes that take address space and no memory: for forward code that runs on shapes alone.
  /// They have the types of `stored`, else float32.
  init(shapesOf geometry: ModelGeometry, _ precision: RunPrecision, stored: WeightFiles?) {
    let matrices = Set(geometry.sites.map { $0.path + ".weight" }), holding = stored?.holding ?? .resident
    let all = geometry.parts.flatMap(\.namedTensors)
    let absent = FrozenTensor.absent(
      all.map { name, shape in
        let type = stored?.info(name)?.type ?? .float32
        return (shape, elementType: matrices.contains(name) ? type.held(holding, in: precision.activations) : type)
      })
    tensors = Dictionary(zip(all.map(\.name), absent)) { first, _ in first }
    (config, self.precision, sites, maps) = (
      geometry.config, precision.activations, geometry.siteNumbers, geometry.maps
    )
    preparation = precision == .int8 ? .absentInt8 : nil
  }

  private init(
    _ geometry: ModelGeometry, _ precision: Precision, _ holding: WeightHolding, _ preparation: WeightPreparation?,
    tensors: [String: FrozenTensor]
  ) {
    config = geometry.config
    (self.precision, self.preparation) = (precision, preparation)
    (sites, maps) = (geometry.siteNumbers, geometry.maps)
    var tensors = tensors
    if holding == .resident, preparation == nil {
      let names = sites.keys.map { $0 + ".weight" }.filter { tensors[$0]?.needsCopy(in: precision) ?? false }.sorted()
      let copies = FrozenTensor.copies(of: names.compactMap { tensors[$0] }, in: precision)
      tensors.merge(zip(names, copies)) { $1 }
    }
    self.tensors = tensors
  }

  /// A tensor that the family's parts list; asking for another is a defect of a family's file.
  public subscript(name: String) -> FrozenTensor {
    guard let tensor = tensors[name] else { preconditionFailure("\(name) is not among the family's tensors") }
    return tensor
  }

  /// The map `path`, with its bias if the family has one.
  func linear(_ path: String) -> LinearSlot {
    LinearSlot(linear: prepared(stored(path), path), site: site(path))
  }

  /// The map `path` as it is stored.
  private func stored(_ path: String) -> FrozenLinear {
    let weight = self[path + ".weight"]
    return FrozenLinear(
      weight: weight, bias: tensors[path + ".bias"]?.inFloat32(),
      layout: maps[path]?.isTransposed == true ? .columns(0..<weight.columns) : .rows)
  }

  private func prepared(_ map: FrozenLinear, _ path: String) -> FrozenLinear { preparation?.prepare(map, path) ?? map }

  /// A map whose outputs are parts, each with a site called `path.part`.
  func fused(_ path: String) -> FusedSlot {
    let whole = stored(path)
    var first = 0
    let slots = (maps[path]?.slices ?? []).map { part in
      let outputs = first..<(first + part.outputs)
      first = outputs.upperBound
      let place = "\(path).\(part.name)"
      return LinearSlot(linear: prepared(whole.outputs(outputs), place), site: site(place))
    }
    return FusedSlot(parts: slots, whole: site(path))
  }

  /// A language model's head. With `packs` it is laid out as products want it, where they read it in one piece: sums over
  /// the vocabulary have the same bits then.
  func head(_ name: String, _ holding: WeightHolding, packs: Bool) -> FrozenLinear {
    let head = FrozenLinear(weight: self[name].held(holding, in: precision), bias: nil)
    guard packs, holding == .resident, head.weight.isStored(in: precision) else { return head }
    let packed = head.packed(precision)
    // The embedding reads few rows of the file again.
    head.weight.forget(0..<head.weight.count)
    return FrozenLinear(weight: head.weight, bias: nil, prepared: packed.map { .packed($0) })
  }

  /// The number of the map `path`.
  private func site(_ path: String) -> Int {
    guard let site = sites[path] else { preconditionFailure("\(path) is not among the family's linear maps") }
    return site
  }

  /// A layer norm, with a bias if the family's parts list it.
  func layerNorm(_ path: String) -> NormWeights {
    NormWeights(
      gamma: self[path + ".weight"].inFloat32(), beta: tensors[path + ".bias"]?.inFloat32(),
      epsilon: config.normEpsilon, kind: .layer)
  }

  /// A norm of a decoder.
  func norm(_ path: String, _ kind: DecoderDesign.Norm) -> NormWeights {
    guard case .rms(let offset) = kind else { return layerNorm(path) }
    let stored = self[path + ".weight"].inFloat32()
    let gamma = offset == 0 ? stored : FrozenTensor(stored.floats().map { $0 + offset }, shape: stored.shape)
    return NormWeights(gamma: gamma, epsilon: config.normEpsilon)
  }
}

extension FrozenLinear {
  /// These outputs of the whole map.
  fileprivate func outputs(_ range: Range<Int>) -> FrozenLinear {
    let bias = bias?.rows(range)
    if case .columns = layout { return FrozenLinear(weight: weight, bias: bias, layout: .columns(range)) }
    return FrozenLinear(weight: weight.rows(range), bias: bias)
  }
}

extension FrozenTensor {
  /// Whether products read a copy. Plain numbers are widened to float32 by each product.
  fileprivate func needsCopy(in precision: Precision) -> Bool {
    !isStored(in: precision) && (precision == .bfloat16 || elementType.isQuantised || rowOrder != nil)
  }

  /// The matrix that a language model's head multiplies.
  func held(_ holding: WeightHolding, in precision: Precision) -> FrozenTensor {
    holding == .resident && needsCopy(in: precision) ? Self.copies(of: [self], in: precision)[0] : self
  }

  /// This tensor in float32: biases and norms, which are small and used so everywhere, are widened once.
  func inFloat32() -> FrozenTensor { elementType == .float32 ? self : FrozenTensor(floats(), shape: shape) }
}

extension ElementType {
  /// The type in which a matrix of this type is held for products.
  func held(_ holding: WeightHolding, in precision: Precision) -> ElementType {
    guard holding == .resident else { return self }
    return precision == .bfloat16 ? .bfloat16 : isQuantised ? .float32 : self
  }
}

extension ModelGeometry {
  /// The weights of a model directory, found with and without the base model's prefix, or of the GGUF file that it means.
  ///
  /// `holding` says how models that are made of it hold their matrices.
  public func checkpoint(_ directory: String, holding: WeightHolding = .resident) throws -> WeightFiles {
    var files = try files(directory)
    files.holding = holding
    return files
  }

  private func files(_ directory: String) throws -> WeightFiles {
    if let path = try GGUFFile.path(of: directory) {
      return try WeightFiles(
        gguf: GGUFFile(path: path), tensors: ggufTensors, ofConfig: GGUFConfig.rotaryTensors,
        family: config.architecture.ggufName ?? config.modelType)
    }
    return try WeightFiles(
      path: directory, basePrefix: basePrefix, olderPrefixes: config.architecture.olderPrefixes)
  }

  /// The optional parts of which a checkpoint has no tensor.
  public func missingParts(of directory: WeightFiles) -> [ModelPart] {
    parts.filter { $0.isOptional && !$0.namedTensors.contains { directory.contains($0.name) } }
  }
}

extension ModelPart {
  /// The tensors that stand for a part that a checkpoint lacks: N(0, initializer_range²) for matrices and 0 for biases,
  /// as transformers draws them from its seed.
  public func fresh(philox: Philox, config: ModelConfig) -> [(name: String, tensor: FrozenTensor)] {
    namedTensors.map { name, shape in
      let count = shape.reduce(1, *)
      let values =
        shape.count == 1
        ? [Float](repeating: 0, count: count)
        : philox.normal(count, deviation: Double(config.initializerRange), stream: Philox.stream(named: name))
      return (name, FrozenTensor(values, shape: shape))
    }
  }
}
