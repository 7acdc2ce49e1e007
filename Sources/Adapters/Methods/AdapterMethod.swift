import Models
import StrictJSON

/// A method: the tensors of every adapted map, which maps share them, and what the kernel multiplies.
///
/// Most methods only share A and B differently, which is one line:
///
///     extension AdapterMethod {
///       /// One A for two neighbouring layers, a B per layer.
///       public static let pairedA = AdapterMethod(name: "paired-a", summary: "an A per two layers, a B per layer") {
///         site, rank in
///         [.a(site, rank, layer: site.layer / 2), .b(site, rank)]
///       }
///     }
///
/// A method with other tensors gives a `form`, which makes A and B of them. Listed in `all`, a method trains, saves,
/// resumes, folds, exports and shows up in `compare-params`.
public struct AdapterMethod: Sendable {
  /// The name in configs: `share-a`.
  public let name: String
  /// One sentence for help texts.
  public let summary: String
  /// Whether there are adapters at all; false trains the task's head alone.
  public let hasAdapters: Bool
  /// The tensors of a site for the rank r of the config.
  public let tensors: @Sendable (_ site: Site, _ rank: Int) -> [AdapterTensor]
  /// What is multiplied, made of the tensors; nil if the tensors are A and B themselves.
  public let form: ProductForm?
  /// What the method does between two steps; nil for nothing.
  public let procedure: MethodProcedureKind?

  /// A method.
  public init(
    name: String, summary: String, hasAdapters: Bool = true, form: ProductForm? = nil,
    procedure: MethodProcedureKind? = nil,
    tensors: @escaping @Sendable (_ site: Site, _ rank: Int) -> [AdapterTensor]
  ) {
    self.name = name
    self.summary = summary
    self.hasAdapters = hasAdapters
    self.form = form
    self.procedure = procedure
    self.tensors = tensors
  }
}

extension AdapterMethod {
  /// Every method, in the order of tables and help texts.
  public static let all: [AdapterMethod] = [
    .lora, .shareA, .shareB, .shareAB, .shareAQKV, .shareBQKV, .shareABQKV, .aslora, .headOnly,
  ]

  /// The method that configs call `name`.
  public static func named(_ name: String, among methods: [AdapterMethod] = all) throws -> AdapterMethod {
    if let method = methods.first(where: { $0.name == name }) { return method }
    throw AdapterError.unknownStrategy(name, known: methods.map(\.name))
  }
}

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
  /// The layer whose tensor this is; nil if the whole stack shares one.
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
  /// r of the config.
  public let rank: Int
  let values: [TensorRole: [Float]]

  /// The numbers of the tensor with this role, row-major.
  public subscript(role: TensorRole) -> [Float] { values[role] ?? [] }
}

/// How a method makes the product of a site of its tensors, once per step, and how gradients go back.
///
/// For VeRA, say, `build` gives A = diag(d) A₀ and B = diag(b) B₀, and `pullBack` the gradients of d and b.
public struct ProductForm: Sendable {
  /// R of the product, for a site and the config's r.
  public let rank: @Sendable (_ site: Site, _ rank: Int) -> Int
  /// Whether there is a row scale g.
  public let scalesRows: Bool
  /// The product.
  public let build: @Sendable (SiteTensors) -> SiteProduct
  /// The gradients of the trained tensors from those of the product.
  public let pullBack: @Sendable (_ tensors: SiteTensors, _ gradient: SiteProduct) -> [TensorRole: [Float]]

  /// A form.
  public init(
    rank: @escaping @Sendable (_ site: Site, _ rank: Int) -> Int = { $1 }, scalesRows: Bool = false,
    build: @escaping @Sendable (SiteTensors) -> SiteProduct,
    pullBack: @escaping @Sendable (_ tensors: SiteTensors, _ gradient: SiteProduct) -> [TensorRole: [Float]]
  ) {
    (self.rank, self.scalesRows, self.build, self.pullBack) = (rank, scalesRows, build, pullBack)
  }
}

/// s = alpha / r, or alpha / √r for rsLoRA; 0 for rank 0.
public func loraScale(alpha: Double, rank: Int, useRSLoRA: Bool) -> Double {
  if rank < 1 { return 0 }
  return alpha / (useRSLoRA ? Double(rank).squareRoot() : Double(rank))
}

/// What a method does between two optimiser steps: ASLoRA merges groups of layers.
public protocol MethodProcedure: Sendable {
  /// Runs after every step, the first of which has the number 1. `wasApplied` is false for a step that changed nothing
  /// because its numbers were not finite. Returns what was merged.
  mutating func afterStep(_ state: inout TrainableState, wasApplied: Bool) -> [GroupMerge]
  /// All that it needs to go on from here.
  var checkpoint: ProcedureCheckpoint { get }
}

/// The state of a procedure as a checkpoint keeps it.
public struct ProcedureCheckpoint: Sendable {
  /// Members of `trainer_state.json`.
  public var fields: [(key: String, value: JSONValue)]
  /// Tensors of the shape of the adapter's, by what follows their names in `optimizer.safetensors`.
  public var tensors: [String: [TensorKey: [Float]]]

  /// A state.
  public init(fields: [(key: String, value: JSONValue)], tensors: [String: [TensorKey: [Float]]] = [:]) {
    (self.fields, self.tensors) = (fields, tensors)
  }
}

/// A checkpoint that a procedure is restored from.
public struct StoredProcedure {
  /// `trainer_state.json`.
  public let fields: JSONNode
  /// The tensor of `key` whose name ends with this suffix; nil if there is none.
  public let tensor: (_ key: TensorKey, _ suffix: String) throws -> [Float]?

  /// A checkpoint.
  public init(fields: JSONNode, tensor: @escaping (_ key: TensorKey, _ suffix: String) throws -> [Float]?) {
    (self.fields, self.tensor) = (fields, tensor)
  }
}

/// How a method's procedure starts, goes on and ends.
public struct MethodProcedureKind: Sendable {
  /// Starts it for a run of `totalSteps`. Throws if the options do not fit the run.
  public let begin:
    @Sendable (_ options: MethodOptions, _ table: SiteTable, _ totalSteps: Int) throws -> any MethodProcedure
  /// Restores it from a checkpoint of a run of `totalSteps`; nil if the checkpoint's fields are not what was written.
  public let resume:
    @Sendable (_ stored: StoredProcedure, _ table: SiteTable, _ totalSteps: Int) throws -> (any MethodProcedure)?
  /// The table that a run starts with: the method's, or with tensors tied by options.
  public let startTable: @Sendable (_ options: MethodOptions, _ table: SiteTable) throws -> SiteTable
  /// The table at the end of a run, from that of its start. Throws if the options do not fit it.
  public let finalTable: @Sendable (_ options: MethodOptions, _ table: SiteTable) throws -> SiteTable
  /// The steps after which the table changes, in a run of `totalSteps`.
  public let steps: @Sendable (_ options: MethodOptions, _ table: SiteTable, _ totalSteps: Int) throws -> [Int]

  /// A procedure; one that leaves the table alone needs none of the tables nor `steps`.
  public init(
    begin: @escaping @Sendable (MethodOptions, SiteTable, Int) throws -> any MethodProcedure,
    resume: @escaping @Sendable (StoredProcedure, SiteTable, Int) throws -> (any MethodProcedure)?,
    startTable: @escaping @Sendable (MethodOptions, SiteTable) throws -> SiteTable = { $1 },
    finalTable: @escaping @Sendable (MethodOptions, SiteTable) throws -> SiteTable = { $1 },
    steps: @escaping @Sendable (MethodOptions, SiteTable, Int) throws -> [Int] = { _, _, _ in [] }
  ) {
    (self.begin, self.resume, self.finalTable, self.steps) = (begin, resume, finalTable, steps)
    self.startTable = startTable
  }
}

/// The options of methods, as the config's section `adapter` gives them.
public struct MethodOptions: Sendable, Equatable {
  /// ASLoRA's.
  public var aslora: ASLoRAOptions
  /// The run's seed, for procedures that draw.
  public var seed: UInt64 = 0

  /// Every default.
  public init(aslora: ASLoRAOptions = ASLoRAOptions()) { self.aslora = aslora }
}
