import Models

/// What a method is for given values of its options.
public struct MethodDesign: Sendable {
  /// The tensors of a site for its rank r.
  public var tensors: @Sendable (_ site: Site, _ rank: Int, _ maps: AdaptedMaps) -> [AdapterTensor]
  /// What is multiplied, made of the tensors; nil if the tensors are A and B themselves.
  public var form: ProductForm?
  /// Whether the form is made of A and B and of tensors that can follow from them and the weights (`lastStart`).
  var addsToPairs = false
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
  /// What AdamW gets in place of a trained tensor's gradient, from the tensors of the first site that uses it, or nil if it
  /// cannot be computed; without a rule, the gradient.
  var preconditioner: (@Sendable (_ role: TensorRole, _ gradient: [Float], _ tensors: SiteTensors) -> [Float]?)?
  /// What is added to the loss for the tensors alone; nil for nothing.
  var regulariser: Regulariser?
  /// The learning rate of the head's vectors, in units of the run's (LoRA+).
  var vectorRateFactor = 1.0
  /// All of the method that does not fit a map: a size that does not divide, a bank longer than the tensor.
  public var misfits: @Sendable (_ site: Site, _ rank: Int, _ maps: AdaptedMaps) -> [MethodMisfit]

  /// A design.
  public init(
    form: ProductForm? = nil, procedure: MethodProcedureKind? = nil, start: WeightStart? = nil,
    scale: MethodScale = .alphaOverRank, peft: PEFTForm? = nil, ranksAreBounded: Bool = true,
    misfits: @escaping @Sendable (_ site: Site, _ rank: Int, _ maps: AdaptedMaps) -> [MethodMisfit] = { _, _, _ in [] },
    tensors: @escaping @Sendable (_ site: Site, _ rank: Int, _ maps: AdaptedMaps) -> [AdapterTensor]
  ) {
    (self.form, self.procedure, self.start, self.scale) = (form, procedure, start, scale)
    (self.peft, self.ranksAreBounded, self.misfits, self.tensors) = (peft, ranksAreBounded, misfits, tensors)
  }

  /// Whether it can go on from a LoRA (`init_from`).
  public var takesPairs: Bool { form == nil || addsToPairs }
}

/// A key of the config, with what is wrong with its value for a map.
public struct MethodMisfit: Sendable, Equatable {
  /// The key in the section `adapter`: `r`, `gralora.k`.
  public let key: String
  /// What is wrong, without the map's path: `2 does not divide out_features 577`.
  public let problem: String
  /// Whether it is the map's; otherwise the whole model's, and said once.
  public let isOfMap: Bool

  /// A misfit.
  public init(_ key: String, _ problem: String, isOfMap: Bool = true) {
    (self.key, self.problem, self.isOfMap) = (key, problem, isOfMap)
  }

  /// For an option that must divide both sizes of `site`, and the `others`: those that it does not divide.
  static func indivisible(
    _ key: String, _ divisor: Int, _ site: Site, others: [(name: String, size: Int)] = []
  ) -> [MethodMisfit] {
    let sizes = others + [("in_features", site.inFeatures), ("out_features", site.outFeatures)]
    return sizes.filter { $0.size % divisor != 0 }.map { name, size in
      MethodMisfit(key, "\(divisor) does not divide \(name) \(size)")
    }
  }
}
