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
/// A method with other tensors gives a `form`, which makes A and B of them; one with options declares them, and makes its
/// design of their values. Listed in `all`, a method trains, saves, resumes, folds, exports and shows up in
/// `compare-params` and in the config's schema; scripts/check_docs.sh asks for its row in docs/methods.md.
public struct AdapterMethod: Sendable {
  /// The name in configs: `share-a`.
  public let name: String
  /// One sentence for help texts.
  public let summary: String
  /// Whether there are adapters at all; false trains the task's head alone.
  public let hasAdapters: Bool
  /// What the section of its name in the config may give.
  public let declaredOptions: [MethodOption]
  /// The values of its options.
  public let options: MethodValues
  /// What the values make of the method.
  public internal(set) var design: MethodDesign
  /// What a config adds.
  public internal(set) var additions = MethodAdditions()
  private let make: @Sendable (MethodValues) -> MethodDesign

  /// A method with options.
  public init(
    name: String, summary: String, options: [MethodOption], design: @escaping @Sendable (MethodValues) -> MethodDesign
  ) {
    self.init(name, summary, true, options, MethodValues(defaultsOf: options), design)
  }

  /// A method without options.
  public init(
    name: String, summary: String, hasAdapters: Bool = true, form: ProductForm? = nil,
    procedure: MethodProcedureKind? = nil,
    tensors: @escaping @Sendable (_ site: Site, _ rank: Int) -> [AdapterTensor]
  ) {
    self.init(name, summary, hasAdapters, [], MethodValues()) { _ in
      MethodDesign(form: form, procedure: procedure) { site, rank, _ in tensors(site, rank) }
    }
  }

  private init(
    _ name: String, _ summary: String, _ hasAdapters: Bool, _ declared: [MethodOption], _ values: MethodValues,
    _ make: @escaping @Sendable (MethodValues) -> MethodDesign
  ) {
    (self.name, self.summary, self.hasAdapters) = (name, summary, hasAdapters)
    (declaredOptions, options, self.make) = (declared, values, make)
    design = make(values)
  }

  /// The method with these values of its options; those that are not given keep their defaults.
  public func with(_ values: MethodValues) -> AdapterMethod {
    AdapterMethod(name, summary, hasAdapters, declaredOptions, options.replacing(values), make)
  }

  /// How A and B are made; nil if the method's tensors are A and B themselves.
  public var form: ProductForm? { design.form }
  /// What the method does between two steps; nil for nothing.
  public var procedure: MethodProcedureKind? { design.procedure }
  /// Whether a state of the method can only be made where the base model's weights are.
  public var needsWeights: Bool { design.start != nil || form?.needsWeights == true }
}

extension AdapterMethod: Equatable {
  /// Whether two methods declare the same tensors.
  public static func == (one: AdapterMethod, other: AdapterMethod) -> Bool {
    one.name == other.name && one.options == other.options && one.additions.declaresTheSame(as: other.additions)
  }
}

extension AdapterMethod {
  /// Every method, in the order of tables and help texts.
  public static let all: [AdapterMethod] = [
    .lora, .shareA, .shareB, .shareAB, .shareAQKV, .shareBQKV, .shareABQKV, .aslora, .vera, .tiedLoRA, .loraXS, .rasa,
    .multiLevel, .mspLoRA, .bsLoRA, .residual, .gralora, .rosa, .vbLoRA, .miss, .mos, .uniLoRA, .loraFA, .deal,
    .headOnly,
  ]

  /// The method that configs call `name`.
  public static func named(_ name: String, among methods: [AdapterMethod] = all) throws -> AdapterMethod {
    if let method = methods.first(where: { $0.name == name }) { return method }
    throw AdapterError.unknownStrategy(name, known: methods.map(\.name))
  }
}
