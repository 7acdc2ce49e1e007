import Models

/// What the kernel multiplies at a site: y = g ⊙ (W x + s · B (A x)).
public struct SiteProduct: Sendable, Equatable {
  /// R: rows of A, columns of B.
  public let rank: Int
  /// A [R, in].
  public var a: [Float]
  /// B [out, R].
  public var b: [Float]
  /// g [out]; nil stands for ones.
  public var rowScale: [Float]?

  /// A product.
  public init(rank: Int, a: [Float], b: [Float], rowScale: [Float]? = nil) {
    (self.rank, self.a, self.b, self.rowScale) = (rank, a, b, rowScale)
  }
}

/// A method's tensors at one site.
public struct SiteTensors: Sendable {
  /// The site.
  public let site: Site
  /// Its rank.
  public let rank: Int
  /// s of the site.
  public let scale: Double
  /// The adapted maps of the model.
  public let maps: AdaptedMaps
  let values: [TensorRole: [Float]]
  let baseWeight: SiteWeight?

  /// The numbers of the tensor with this role, row-major; none if the site has none.
  public subscript(role: TensorRole) -> [Float] { values[role] ?? [] }

  /// W of the site, for a form that `needsWeights`.
  public var weight: SiteWeight {
    guard let baseWeight else { preconditionFailure("\(site.path): the form does not say that it needs weights") }
    return baseWeight
  }
}

/// How a method makes the product of a site of its tensors, once per step, and how gradients go back.
///
/// For VeRA, say, `build` gives A = diag(d) A₀ and B = diag(b) B₀, and `pullBack` the gradients of d and b.
public struct ProductForm: Sendable {
  /// R of the product, for a site and its r.
  public let rank: @Sendable (_ site: Site, _ rank: Int, _ maps: AdaptedMaps) -> Int
  /// Whether there is a row scale g.
  public let scalesRows: Bool
  /// Whether the product depends on the base model's weights.
  public let needsWeights: Bool
  /// The product.
  public let build: @Sendable (SiteTensors) -> SiteProduct
  /// The gradients of the trained tensors from those of the product.
  public let pullBack: @Sendable (_ tensors: SiteTensors, _ gradient: SiteProduct) -> [TensorRole: [Float]]

  /// A form.
  public init(
    rank: @escaping @Sendable (_ site: Site, _ rank: Int, _ maps: AdaptedMaps) -> Int, scalesRows: Bool = false,
    needsWeights: Bool = false,
    build: @escaping @Sendable (SiteTensors) -> SiteProduct,
    pullBack: @escaping @Sendable (_ tensors: SiteTensors, _ gradient: SiteProduct) -> [TensorRole: [Float]]
  ) {
    (self.rank, self.scalesRows, self.needsWeights) = (rank, scalesRows, needsWeights)
    (self.build, self.pullBack) = (build, pullBack)
  }

  /// A form whose R follows from r alone.
  public init(
    rank: @escaping @Sendable (_ rank: Int) -> Int = { $0 }, scalesRows: Bool = false, needsWeights: Bool = false,
    build: @escaping @Sendable (SiteTensors) -> SiteProduct,
    pullBack: @escaping @Sendable (_ tensors: SiteTensors, _ gradient: SiteProduct) -> [TensorRole: [Float]]
  ) {
    self.init(
      rank: { _, r, _ in rank(r) }, scalesRows: scalesRows, needsWeights: needsWeights, build: build,
      pullBack: pullBack)
  }
}
