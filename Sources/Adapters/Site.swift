/// One linear map of a model that can be adapted.
public struct Site: Sendable, Hashable {
  /// Layer number, counted upwards from the input; 0 for maps outside the stack (a pooler).
  public let layer: Int
  /// Module type: the path inside its layer, such as `attention.self.query`; the same in every layer.
  public let module: String
  /// Full path as in transformers and PEFT, without `.weight`: `encoder.layer.3.attention.self.query`.
  public let path: String
  /// Columns of the weight: the length of the map's input.
  public let inFeatures: Int
  /// Rows of the weight: the length of the map's output.
  public let outFeatures: Int
  /// Whether this is a query, key or value projection (`share-*-qkv` treats these apart).
  public let isQueryKeyValue: Bool
  /// Where the map is some rows of a fused one (the query of GPT-2's `c_attn`): which.
  public let slice: Slice?

  /// Rows of a fused linear map.
  public struct Slice: Sendable, Hashable {
    /// Full path of the fused map.
    public let path: String
    /// The row of the fused weight that the slice starts at; it has as many rows as its site has outputs.
    public let firstRow: Int

    /// The rows of `path` from `firstRow`.
    public init(path: String, firstRow: Int) {
      self.path = path
      self.firstRow = firstRow
    }
  }

  /// A site.
  public init(
    layer: Int, module: String, path: String, inFeatures: Int, outFeatures: Int, isQueryKeyValue: Bool,
    slice: Slice? = nil
  ) {
    self.layer = layer
    self.module = module
    self.path = path
    self.inFeatures = inFeatures
    self.outFeatures = outFeatures
    self.isQueryKeyValue = isQueryKeyValue
    self.slice = slice
  }

  /// A site whose module's name tells whether it is a query, key or value projection.
  public init(
    layer: Int, module: String, path: String, inFeatures: Int, outFeatures: Int, slice: Slice? = nil
  ) {
    self.init(
      layer: layer, module: module, path: path, inFeatures: inFeatures, outFeatures: outFeatures,
      isQueryKeyValue: Self.isQueryKeyValue(module: module), slice: slice)
  }

  /// Whether a module of this name is a query, key or value projection in any of the model families.
  public static func isQueryKeyValue(module: String) -> Bool {
    let names = ["query", "key", "value", "q_proj", "k_proj", "v_proj", "c_attn", "c_attn.q", "c_attn.k", "c_attn.v"]
    return names.contains { module == $0 || module.hasSuffix("." + $0) }
  }
}

/// The two matrices of a low-rank adapter.
public enum Side: String, Sendable, Hashable, CaseIterable {
  /// A in R^{r×in}.
  case a = "A"
  /// B in R^{out×r}.
  case b = "B"
}

/// Names one distinct trainable tensor of an adapter. Sites that name the same key share the tensor.
public struct TensorKey: Sendable, Hashable {
  /// A or B.
  public let side: Side
  /// Module type of the sites that use it.
  public let module: String
  /// The layer whose tensor this is; nil where the whole stack shares one.
  public let layer: Int?

  /// A key.
  public init(side: Side, module: String, layer: Int?) {
    self.side = side
    self.module = module
    self.layer = layer
  }
}
