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
  /// The rows of a fused map that this one is (the query of GPT-2's `c_attn`); nil for a whole map.
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
    layer: Int, module: String, path: String, inFeatures: Int, outFeatures: Int, isQueryKeyValue: Bool = false,
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
}
