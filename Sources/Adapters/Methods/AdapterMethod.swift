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
/// A method with other tensors gives a `form`, which makes A and B of them; one with options declares them, and makes its
/// design of their values. Listed in `all`, a method trains, saves, resumes, folds, exports and shows up in
/// `compare-params`, in the config's schema and in the documentation's table.
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

/// What a method is for given values of its options.
public struct MethodDesign: Sendable {
  /// The tensors of a site for its rank r.
  public var tensors: @Sendable (_ site: Site, _ rank: Int, _ maps: AdaptedMaps) -> [AdapterTensor]
  /// What is multiplied, made of the tensors; nil if the tensors are A and B themselves.
  public var form: ProductForm?
  /// What the method does between two steps; nil for nothing.
  public var procedure: MethodProcedureKind?
  /// Numbers that some tensors start with and that follow from the base model's weights; nil for none.
  public var start: WeightStart?
  /// Numbers of a map's tensors that follow from those that the others start with, and from its weight; nil for none.
  var lastStart: (@Sendable (_ tensors: SiteTensors) -> [TensorRole: [Float]])?
  /// s in h = W x + s · B (A x).
  public var scale: MethodScale
  /// How PEFT's files hold the method; nil if PEFT does not have it.
  public var peft: PEFTForm?
  /// Whether r may not be above the smaller dimension of a map.
  public var ranksAreBounded: Bool
  /// What is wrong with numbers that a file gives for a site, so that nothing could be made of them; nil for nothing.
  var flaw: (@Sendable (_ tensors: SiteTensors) -> String?)?
  /// What the method makes of the adapter that it goes on from (`init_from`), without which it cannot be; nil if it can.
  public var adoption: (@Sendable (_ tensors: SiteTensors) throws -> [TensorRole: [Float]])?
  /// What AdamW gets in place of a trained tensor's gradient, from the tensors of the first site that uses it; nil for the
  /// gradient.
  var preconditioner: (@Sendable (_ role: TensorRole, _ gradient: [Float], _ tensors: SiteTensors) -> [Float])?
  /// What is added to the loss for the tensors alone; nil for nothing.
  var regulariser: Regulariser?
  /// The learning rate of the head's vectors, in units of the run's (LoRA+).
  var vectorRateFactor = 1.0
  /// What of the method does not fit a map: a size that does not divide, a bank longer than the tensor.
  public var misfit: @Sendable (_ site: Site, _ rank: Int, _ maps: AdaptedMaps) -> MethodMisfit?

  /// A design.
  public init(
    form: ProductForm? = nil, procedure: MethodProcedureKind? = nil, start: WeightStart? = nil,
    scale: MethodScale = .alphaOverRank, peft: PEFTForm? = nil, ranksAreBounded: Bool = true,
    misfit: @escaping @Sendable (_ site: Site, _ rank: Int, _ maps: AdaptedMaps) -> MethodMisfit? = { _, _, _ in nil },
    tensors: @escaping @Sendable (_ site: Site, _ rank: Int, _ maps: AdaptedMaps) -> [AdapterTensor]
  ) {
    (self.form, self.procedure, self.start, self.scale) = (form, procedure, start, scale)
    (self.peft, self.ranksAreBounded, self.misfit, self.tensors) = (peft, ranksAreBounded, misfit, tensors)
  }
}

/// A key of the config, with what is wrong with its value for a map.
public struct MethodMisfit: Sendable, Equatable {
  /// The key in the section `adapter`: `r`, `gralora.k`.
  public let key: String
  /// What is wrong, without the map's path: `2 does not divide out_features 577`.
  public let problem: String

  /// A misfit.
  public init(_ key: String, _ problem: String) { (self.key, self.problem) = (key, problem) }

  /// For an option that must divide both sizes of `site`, and the `others`; nil if it does.
  init?(_ key: String, _ divisor: Int, mustDivide site: Site, others: [(name: String, size: Int)] = []) {
    let sizes = others + [("in_features", site.inFeatures), ("out_features", site.outFeatures)]
    guard let (name, size) = sizes.first(where: { $0.size % divisor != 0 }) else { return nil }
    self.init(key, "\(divisor) does not divide \(name) \(size)")
  }
}

/// The adapted maps of a model, as methods see them whose tensors reach over several.
public struct AdaptedMaps: Sendable {
  /// The maps, in model order.
  public let sites: [Site]
  /// Their ranks.
  public let ranks: [Int]
  /// The longest input.
  public let largestIn: Int
  /// The longest output.
  public let largestOut: Int
  private let layers: [String: [Int]]
  private let positions: [String: Int]

  /// The maps that are adapted.
  public init(_ sites: [Site], ranks: [Int]) {
    (self.sites, self.ranks) = (sites, ranks)
    largestIn = sites.map(\.inFeatures).max() ?? 0
    largestOut = sites.map(\.outFeatures).max() ?? 0
    layers = Dictionary(grouping: sites, by: \.module).mapValues { $0.map(\.layer).sorted() }
    positions = Dictionary(zip(sites.map(\.path), sites.indices)) { first, _ in first }
  }

  /// The largest rank of the maps of the site's module type.
  func largestRank(of site: Site) -> Int { zip(sites, ranks).filter { $0.0.module == site.module }.map(\.1).max() ?? 0 }

  /// The largest number up to `limit` that divides every size.
  func largestDivisor(upTo limit: Int) -> Int {
    var common = 0
    for var size in sites.flatMap({ [$0.inFeatures, $0.outFeatures] }) {
      while size > 0 { (common, size) = (size, common % size) }
    }
    return (1...limit).last { common % $0 == 0 } ?? 1
  }

  /// The place of a map in the order of the model.
  public func position(of site: Site) -> Int { positions[site.path] ?? 0 }

  /// How many layers have an adapted map of the site's module type.
  public func layerCount(of site: Site) -> Int { layers[site.module]?.count ?? 0 }

  /// Those layers, ascending.
  func layers(of site: Site) -> [Int] { layers[site.module] ?? [] }

  /// The longest input and the longest output in a layer.
  func largestSizes(inLayer layer: Int) -> (inFeatures: Int, outFeatures: Int) {
    sites.reduce((0, 0)) { largest, site in
      site.layer == layer ? (max(largest.0, site.inFeatures), max(largest.1, site.outFeatures)) : largest
    }
  }

  /// The place of the site's layer among those, from 0.
  public func layerIndex(of site: Site) -> Int { layers[site.module]?.firstIndex(of: site.layer) ?? 0 }
}

/// How s follows from alpha and r.
public enum MethodScale: Sendable, Equatable {
  /// alpha / r, or alpha / √r for rsLoRA.
  case alphaOverRank
  /// The same, of a rank that is r and this many more.
  case alphaOverRankPlus(Int)
  /// alpha, which the method divides itself.
  case alpha
  /// 1; alpha decides how tensors start (`AdapterTensor.Start.alpha`).
  case inTensors
  /// A number that neither changes: the method has no alpha.
  case fixed(Double)

  /// Whether s is alpha over something that rsLoRA takes the root of.
  var dividesAlpha: Bool {
    switch self {
    case .alphaOverRank, .alphaOverRankPlus: true
    case .alpha, .inTensors, .fixed: false
    }
  }

  /// s.
  public func value(alpha: Double, rank: Int, useRSLoRA: Bool) -> Double {
    switch self {
    case .alphaOverRank: loraScale(alpha: alpha, rank: rank, useRSLoRA: useRSLoRA)
    case .alphaOverRankPlus(let more): loraScale(alpha: alpha, rank: rank + more, useRSLoRA: useRSLoRA)
    case .alpha: alpha
    case .inTensors: 1
    case .fixed(let scale): scale
    }
  }
}

/// s = alpha / r, or alpha / √r for rsLoRA; 0 for rank 0.
public func loraScale(alpha: Double, rank: Int, useRSLoRA: Bool) -> Double {
  if rank < 1 { return 0 }
  return alpha / (useRSLoRA ? Double(rank).squareRoot() : Double(rank))
}
