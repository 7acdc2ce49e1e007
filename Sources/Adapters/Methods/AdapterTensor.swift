import Models

/// What a tensor is to a site: A, B, or another one that a method declares.
public struct TensorRole: Sendable, Hashable {
  /// The name in `adapter_config.json`: `A`.
  public let name: String
  /// What follows the map's path in the tensor file: `lora_A.weight`.
  public let fileName: String

  /// A role of a method's own; its tensors are called `lora_NAME`.
  public init(_ name: String, fileName: String? = nil) {
    (self.name, self.fileName) = (name, fileName ?? "lora_\(name)")
  }

  /// A in R^{r×in}.
  public static let a = TensorRole("A", fileName: "lora_A.weight")
  /// B in R^{out×r}.
  public static let b = TensorRole("B", fileName: "lora_B.weight")
}

/// Names one distinct tensor of an adapter. Sites that name the same key share the tensor.
public struct TensorKey: Sendable, Hashable {
  /// A, B, or another one.
  public let role: TensorRole
  /// Module type of the sites that use it.
  public let module: String
  /// The layer whose tensor this is; nil where the whole stack shares one.
  public let layer: Int?

  /// A key.
  public init(role: TensorRole, module: String, layer: Int?) {
    self.role = role
    self.module = module
    self.layer = layer
  }
}

/// A tensor that a method declares for a site.
public struct AdapterTensor: Sendable, Equatable {
  /// The numbers it starts with.
  public enum Start: Sendable, Equatable {
    case zeros
    case constant(Float)
    /// U(−1/√n, 1/√n) with the length n of the last dimension: kaiming-uniform with a = √5, as PEFT draws A.
    case kaimingUniform
    /// N(0, deviation²).
    case normal(deviation: Double)
  }

  /// Its name; sites that give the same key share the tensor.
  public let key: TensorKey
  /// Lengths of one or two dimensions.
  public let shape: [Int]
  /// How it starts.
  public let start: Start
  /// Whether it is trained.
  public let trains: Bool

  /// A tensor.
  public init(_ key: TensorKey, shape: [Int], start: Start, trains: Bool = true) {
    (self.key, self.shape, self.start, self.trains) = (key, shape, start, trains)
  }

  /// A [r, in] of a site, shared by the sites of its module that give the same `layer`; nil shares it over the stack.
  public static func a(_ site: Site, _ rank: Int, layer: Int?, trains: Bool = true) -> AdapterTensor {
    AdapterTensor(
      TensorKey(role: .a, module: site.module, layer: layer), shape: [rank, site.inFeatures], start: .kaimingUniform,
      trains: trains)
  }

  /// B [out, r] of a site, shared likewise.
  public static func b(_ site: Site, _ rank: Int, layer: Int?, trains: Bool = true) -> AdapterTensor {
    AdapterTensor(
      TensorKey(role: .b, module: site.module, layer: layer), shape: [site.outFeatures, rank], start: .zeros,
      trains: trains)
  }

  /// The A of the site alone.
  public static func a(_ site: Site, _ rank: Int) -> AdapterTensor { a(site, rank, layer: site.layer) }
  /// The B of the site alone.
  public static func b(_ site: Site, _ rank: Int) -> AdapterTensor { b(site, rank, layer: site.layer) }

  /// A vector of the site alone.
  public static func vector(_ role: TensorRole, _ site: Site, count: Int, start: Start) -> AdapterTensor {
    AdapterTensor(
      TensorKey(role: role, module: site.module, layer: site.layer), shape: [count], start: start)
  }
}
