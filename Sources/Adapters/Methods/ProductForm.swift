import Autograd
import Models

/// What the kernel multiplies at a site: y = g ⊙ (W x + s · B (A x) + S x).
public struct SiteProduct: Sendable, Equatable {
  /// R: rows of A, columns of B.
  public let rank: Int
  /// A [R, in].
  public var a: [Float]
  /// B [out, R].
  public var b: [Float]
  /// g [out]; nil stands for ones.
  public var rowScale: [Float]?
  /// The numbers of S, in the order of its places; empty for S = 0.
  public var sparse: [Float]

  /// A product.
  public init(rank: Int, a: [Float], b: [Float], rowScale: [Float]? = nil, sparse: [Float] = []) {
    (self.rank, self.a, self.b, self.rowScale, self.sparse) = (rank, a, b, rowScale, sparse)
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
  /// g of the product that was made of them, where gradients are pulled back.
  var rowScale: [Float]?

  /// The numbers of the tensor with this role, row-major; none if the site has none.
  public subscript(role: TensorRole) -> [Float] { values[role] ?? [] }

  /// W of the site, for a form that `needsWeights`.
  public var weight: SiteWeight {
    guard let baseWeight else { preconditionFailure("\(site.path): the form does not say that it needs weights") }
    return baseWeight
  }
}

/// The sparse term of a method's products.
public struct SparseForm: Sendable {
  /// How many numbers S has at a site; 0 for a site without one.
  public let count: @Sendable (_ site: Site, _ rank: Int, _ maps: AdaptedMaps) -> Int
  /// Their places; nil as long as S is zero. Throws what is wrong with the tensors that say where they are.
  public let places: @Sendable (SiteTensors) throws(BadPlaces) -> SparsePlaces?

  /// Tensors that do not say where the numbers are.
  public struct BadPlaces: Error {
    /// What is wrong with them.
    public let problem: String
  }

  /// A term.
  public init(
    count: @escaping @Sendable (_ site: Site, _ rank: Int, _ maps: AdaptedMaps) -> Int,
    places: @escaping @Sendable (SiteTensors) throws(BadPlaces) -> SparsePlaces?
  ) {
    (self.count, self.places) = (count, places)
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
  /// S; nil for none.
  public let sparse: SparseForm?
  /// The product.
  public let build: @Sendable (SiteTensors) -> SiteProduct
  /// The gradients of the trained tensors from those of the product.
  public let pullBack: @Sendable (_ tensors: SiteTensors, _ gradient: SiteProduct) -> [TensorRole: [Float]]

  /// A form.
  public init(
    rank: @escaping @Sendable (_ site: Site, _ rank: Int, _ maps: AdaptedMaps) -> Int, scalesRows: Bool = false,
    needsWeights: Bool = false, sparse: SparseForm? = nil,
    build: @escaping @Sendable (SiteTensors) -> SiteProduct,
    pullBack: @escaping @Sendable (_ tensors: SiteTensors, _ gradient: SiteProduct) -> [TensorRole: [Float]]
  ) {
    (self.rank, self.scalesRows, self.needsWeights, self.sparse) = (rank, scalesRows, needsWeights, sparse)
    (self.build, self.pullBack) = (build, pullBack)
  }

  /// A form whose R follows from r alone.
  public init(
    rank: @escaping @Sendable (_ rank: Int) -> Int = { $0 }, scalesRows: Bool = false, needsWeights: Bool = false,
    sparse: SparseForm? = nil,
    build: @escaping @Sendable (SiteTensors) -> SiteProduct,
    pullBack: @escaping @Sendable (_ tensors: SiteTensors, _ gradient: SiteProduct) -> [TensorRole: [Float]]
  ) {
    self.init(
      rank: { _, r, _ in rank(r) }, scalesRows: scalesRows, needsWeights: needsWeights, sparse: sparse, build: build,
      pullBack: pullBack)
  }
}
