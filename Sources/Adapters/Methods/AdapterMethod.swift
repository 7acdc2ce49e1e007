import Models

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
  /// What is multiplied, made of the tensors; nil where the tensors are A and B themselves.
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
