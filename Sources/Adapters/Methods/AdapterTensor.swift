import Kernels
import Models

/// What a tensor is to a site: A, B, or another one that a method declares.
public struct TensorRole: Sendable, Hashable {
  /// Which factor of a product B A a tensor is, or a part of: rows of A, or columns of B.
  public enum Factor: Sendable {
    /// [rows, in].
    case a
    /// [out, columns].
    case b
  }

  /// The name in `adapter_config.json`: `A`.
  public let name: String
  /// What follows the map's path in the tensor file: `lora_A.weight`.
  public let fileName: String
  /// The factor, if its numbers are one's as they are.
  public let factor: Factor?

  /// A role of a method's own; its tensors are called `lora_NAME`.
  public init(_ name: String, fileName: String? = nil, factor: Factor? = nil) {
    (self.name, self.fileName, self.factor) = (name, fileName ?? "lora_\(name)", factor)
  }

  /// Roles of one name are the same, whether or not the factor is said.
  public static func == (one: TensorRole, other: TensorRole) -> Bool {
    one.name == other.name && one.fileName == other.fileName
  }

  /// Hashes the names.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(name)
    hasher.combine(fileName)
  }

  /// A in R^{r×in}.
  public static let a = TensorRole("A", fileName: "lora_A.weight", factor: .a)
  /// B in R^{out×r}.
  public static let b = TensorRole("B", fileName: "lora_B.weight", factor: .b)
}

/// Names one distinct tensor of an adapter. Sites that name the same key share the tensor.
public struct TensorKey: Sendable, Hashable {
  /// A, B, or another one.
  public let role: TensorRole
  /// Module type of the sites that use it.
  public let module: String
  /// The layer whose tensor this is; nil if the whole stack shares one.
  public let layer: Int?

  /// A key.
  public init(role: TensorRole, module: String, layer: Int?) {
    self.role = role
    self.module = module
    self.layer = layer
  }

  /// The key of a tensor of `site` alone.
  init(_ role: TensorRole, of site: Site) { self.init(role: role, module: site.module, layer: site.layer) }

  /// The key of a tensor that maps of every type share: in `layer`, or in the whole model.
  public static func ofAllModules(_ role: TensorRole, layer: Int? = nil) -> TensorKey {
    TensorKey(role: role, module: "all", layer: layer)
  }
}

/// A tensor that a method declares for a site.
public struct AdapterTensor: Sendable, Equatable {
  /// The largest index that a tensor of indices can hold: its numbers are float32, which tells whole numbers apart up to here.
  public static let largestIndex = 1 << 24

  /// The numbers it starts with.
  public enum Start: Sendable, Equatable {
    /// Zeros.
    case zeros
    /// One number everywhere.
    case constant(Float)
    /// U(−1/√n, 1/√n) with the length n of the last dimension: kaiming-uniform with a = √5, as PEFT draws A.
    case kaimingUniform
    /// U(−bound, bound).
    case uniform(bound: Double)
    /// N(0, deviation²).
    case normal(deviation: Double)
    /// alpha over a number.
    case alpha(over: Double)
    /// Numbers of a rule's own.
    case drawn(DrawnStart)
  }

  /// Its name; sites that give the same key share the tensor.
  public let key: TensorKey
  /// Lengths of one or two dimensions.
  public let shape: [Int]
  /// How it starts.
  public let start: Start
  /// Whether it is trained.
  public let trains: Bool
  /// The seed of its start; nil for the run's.
  public let seed: Int?
  /// Whether files hold it. One that they lack is drawn again from `seed`, and must not be trained.
  public let isStored: Bool
  /// Its learning rate, in units of the run's.
  public internal(set) var rateFactor: Double

  /// A tensor.
  public init(
    _ key: TensorKey, shape: [Int], start: Start, trains: Bool = true, seed: Int? = nil, isStored: Bool = true,
    rateFactor: Double = 1
  ) {
    precondition(isStored || !trains && seed != nil)
    (self.key, self.shape, self.start, self.trains) = (key, shape, start, trains)
    (self.seed, self.isStored, self.rateFactor) = (seed, isStored, rateFactor)
  }

  /// How many numbers it has.
  public var count: Int { shape.reduce(1, *) }

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
      TensorKey(role, of: site), shape: [count], start: start)
  }

  /// The numbers it starts with, drawn from `stream` of its own seed or of `philox`.
  func startValues(_ philox: Philox, stream: UInt64, alpha: Double) -> [Float] {
    let source = seed.map { Philox(seed: UInt64(truncatingIfNeeded: $0)) } ?? philox
    switch start {
    case .zeros: return [Float](repeating: 0, count: count)
    case .constant(let value): return [Float](repeating: value, count: count)
    case .alpha(let divisor): return [Float](repeating: Float(alpha / divisor), count: count)
    case .kaimingUniform:
      return source.uniform(count, bound: 1 / Float(shape[shape.count - 1]).squareRoot(), stream: stream)
    case .uniform(let bound): return source.uniform(count, bound: Float(bound), stream: stream)
    case .normal(let deviation): return source.normal(count, deviation: deviation, stream: stream)
    case .drawn(let rule):
      let values = rule.values(source, stream)
      precondition(values.count == count)
      return values
    }
  }
}

/// A rule that draws the numbers of a tensor: a permutation, say. Two are the same if their names are.
public struct DrawnStart: Sendable, Equatable {
  /// What tells it from others, its sizes included.
  public let name: String
  /// The numbers, a function of the generator and the stream alone.
  let values: @Sendable (_ philox: Philox, _ stream: UInt64) -> [Float]

  /// A rule.
  public init(_ name: String, values: @escaping @Sendable (_ philox: Philox, _ stream: UInt64) -> [Float]) {
    (self.name, self.values) = (name, values)
  }

  /// Whether two rules draw the same numbers.
  public static func == (one: DrawnStart, other: DrawnStart) -> Bool { one.name == other.name }
}
