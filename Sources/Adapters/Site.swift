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

  /// A site.
  public init(layer: Int, module: String, path: String, inFeatures: Int, outFeatures: Int, isQueryKeyValue: Bool) {
    self.layer = layer
    self.module = module
    self.path = path
    self.inFeatures = inFeatures
    self.outFeatures = outFeatures
    self.isQueryKeyValue = isQueryKeyValue
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

/// A sharing method: which A and which B a site uses at the start of training.
///
/// A new method is one small file with one value of this type, listed in `SharingStrategy.all`.
public struct SharingStrategy: Sendable {
  /// The name in configs: `share-a`.
  public let name: String
  /// One sentence for help texts.
  public let summary: String
  /// The key of the tensor that `site` uses as its A or B.
  public let key: @Sendable (_ side: Side, _ site: Site) -> TensorKey
  /// Whether B's are merged while training (ASLoRA).
  public let mergesWhileTraining: Bool

  /// A method.
  public init(
    name: String, summary: String, mergesWhileTraining: Bool = false,
    key: @escaping @Sendable (_ side: Side, _ site: Site) -> TensorKey
  ) {
    self.name = name
    self.summary = summary
    self.mergesWhileTraining = mergesWhileTraining
    self.key = key
  }
}
