import Diagnostics
import Kernels

/// What can be wrong with the adapter section of a config.
public enum AdapterError: UserFacingError, Equatable {
  /// No method has this name.
  case unknownStrategy(String, known: [String])
  /// r is below 1.
  case rankNotPositive(Int)
  /// r is above the smaller dimension of an adapted map.
  case rankTooLarge(rank: Int, path: String, inFeatures: Int, outFeatures: Int)
  /// r is above what a rank can be anywhere.
  case rankOutOfRange(Int)
  /// The method's tensors and products have more numbers than any machine can hold.
  case tooManyNumbers(strategy: String, limit: Int)
  /// They have more than this machine can hold.
  case tooLarge(strategy: String, bytes: Int, limit: Int)
  /// A size of the method that does not fit an adapted map; without a path, one that does not fit the model.
  case misfit(MethodMisfit, path: String?)
  /// A value of an option that the run cannot have.
  case option(String, problem: String)
  /// Sites that would share a tensor need different shapes of it.
  case shapesDiffer(strategy: String, role: TensorRole, module: String, first: String, second: String)
  /// Sites that would share a tensor have different ranks by `rank_pattern`.
  case ranksDiffer(strategy: String, role: TensorRole, first: String, firstRank: Int, second: String, secondRank: Int)
  /// Layers that a method's procedure merges have different ranks or scales.
  case mergedDiffer(strategy: String, module: String, first: String, second: String)
  /// A regular expression that is none.
  case badPattern(String, String, reason: String)
  /// A pattern of `rank_pattern` or `alpha_pattern` that matches no adapted map.
  case unmatchedPattern(String, String)
  /// An expression of `target_modules` that matches nothing; `isName`: it would as a name.
  case unmatchedExpression(String, isName: Bool)
  /// An entry of `exclude_modules` that matches nothing.
  case unmatchedExclusion(String)
  /// Layers that the model does not have.
  case unknownLayers([Int], last: Int)
  /// `layers_pattern` finds no layer.
  case noLayers([String])
  /// Targets, layers and exclusions leave no map.
  case nothingLeft
  /// `target_modules` is empty.
  case noTargets
  /// A target matches no linear map of the model.
  case unmatchedTarget(String, nearest: [String])
  /// A fused map and a slice of it are both selected.
  case overlappingTargets(fused: String, slice: String)
  /// A number of `adapter.aslora` that no run can have.
  case asloraOutOfRange(field: String, value: Int, atLeast: Int)
  /// More merges than there are pairs of groups to merge.
  case tooManyMerges(numMerges: Int, layers: Int)
  /// The last merge would come after the last step.
  case mergesDoNotFit(startStep: Int, mergeInterval: Int, numMerges: Int, totalSteps: Int)
  /// The adapter of `init_from` has another rank, at this map and `others` more.
  case rankDiffers(path: String, adapter: Int, config: Int, others: Int = 0)
  /// The method makes its products of other tensors than A and B, and `init_from` is of another method.
  case otherMethod(config: String)
  /// The adapter of `init_from` is of the method, with other options: `key is old there and new here`.
  case otherOptions(method: String, differences: [String])
  /// The adapter of `init_from` has another scale, which the method's tensors cannot take over.
  case scaleDiffers(adapter: Double, config: Double, method: String)
  /// An adapter that is more than A and B, for a method that has nothing else.
  case notPlain(path: String, config: String)
  /// The adapter of `init_from` lacks these maps.
  case missingSites([String])
  /// The run would ignore these maps of the adapter of `init_from`.
  case unusedSites([String])
  /// A weight that has no singular values or QR factors, from which the method starts.
  case noFactors(path: String, DecompositionError)
  /// A weight of which it is not known what PEFT took out of it.
  case unknownChange(path: String, reason: String)
  /// Maps share a tensor that starts from the weight of one.
  case sharedStart(method: String, role: TensorRole, module: String, maps: Int)
  /// What is made of a map's tensors is not finite.
  case productNotFinite(path: String)
  /// LoRA-FA: A Aᵀ of this map has no inverse.
  case noInverse(path: String, method: String)
  /// Maps share a tensor under this method, but their numbers in `init_from` differ.
  case valuesDiffer(strategy: String, role: TensorRole, module: String, firstLayer: Int, otherLayers: [Int])

  /// What is wrong, where, and what would be right.
  public var description: String {
    switch self {
    case .unknownStrategy(let name, let names):
      let meant = nearestName(to: name, among: names).map { ", did you mean \"\($0)\"?" } ?? ""
      return "adapter.strategy: unknown strategy \"\(name)\"\(meant) (one of \(names.joined(separator: ", ")))"
    case .rankNotPositive(let rank): return "adapter.r: \(rank) is not a rank, expected at least 1"
    case .rankTooLarge(let rank, let path, let inFeatures, let outFeatures):
      let (limit, dimension) = inFeatures <= outFeatures ? (inFeatures, "in_features") : (outFeatures, "out_features")
      return "adapter.r: \(rank) is above the smaller dimension of \(path) (\(dimension) \(limit))"
    case .rankOutOfRange(let rank): return "adapter.r: \(rank) is above \(MethodOption.most)"
    case .tooManyNumbers(let strategy, let limit):
      return "adapter: \(strategy) would have more than \(limit) numbers with these sizes"
    case .tooLarge(let strategy, let bytes, let limit):
      return
        "adapter: \(strategy) would have \(bytes) bytes of numbers with these sizes; this machine can hold \(limit)"
    case .misfit(let misfit, let path):
      return "adapter.\(misfit.key): \(misfit.problem)" + (path.map { " (\($0))" } ?? "")
    case .option(let key, let problem): return "adapter.\(key): \(problem)"
    case .shapesDiffer(let strategy, let role, let module, let first, let second):
      let shared = "\(strategy) shares \(role.name) of \(module)"
      return "adapter.strategy: \(shared), but \(first) and \(second) differ in shape"
    case .ranksDiffer(let strategy, let role, let first, let firstRank, let second, let secondRank):
      return """
        adapter.rank_pattern: \(strategy) shares one \(role.name) between \(first) of rank \(firstRank) and \
        \(second) of rank \(secondRank)
        """
    case .mergedDiffer(let strategy, let module, let first, let second):
      return """
        adapter: \(strategy) merges layers of \(module), but \(first) and \(second) differ in rank or scale by \
        rank_pattern or alpha_pattern
        """
    case .badPattern(let key, let pattern, let reason):
      return "adapter.\(key): \"\(pattern)\" is not a regular expression: \(reason)"
    case .unmatchedPattern(let key, let pattern):
      return "adapter.\(key): \"\(pattern)\" matches no adapted map (it must match the end of a path from a dot on)"
    case .unmatchedExpression(let pattern, let isName):
      return """
        adapter.target_modules: the regular expression "\(pattern)" matches no whole path of a linear map\
        \(isName ? "; for a name write [\"\(pattern)\"]" : "")
        """
    case .unmatchedExclusion(let name):
      return "adapter.exclude_modules: \"\(name)\" matches no linear map of the model"
    case .unknownLayers(let layers, let last):
      return """
        adapter.layers_to_transform: the model has no layer\(layers.count == 1 ? "" : "s") \
        \(layers.map(String.init).firstThree), only 0 to \(last)
        """
    case .noLayers(let patterns):
      return "adapter.layers_pattern: \(patterns.firstThree) stands before no layer's number in any path of the model"
    case .nothingLeft:
      return "adapter: target_modules, exclude_modules and layers_to_transform together leave no linear map"
    case .noTargets: return "adapter.target_modules: empty, name at least one module or \"all-linear\""
    case .unmatchedTarget(let target, let nearest):
      let names = nearest.map { "\"\($0)\"" }.joined(separator: ", ")
      return "adapter.target_modules: \"\(target)\" matches no linear map of the model; near it: \(names)"
    case .overlappingTargets(let fused, let slice):
      return "adapter.target_modules: \(slice) is a part of \(fused); name the one or the other"
    case .asloraOutOfRange(let field, let value, let least):
      return "adapter.aslora.\(field): \(value) is out of range, expected at least \(least)"
    case .tooManyMerges(let numMerges, let layers):
      return "adapter.aslora.num_merges: \(numMerges) is above layers - 1 = \(layers - 1)"
    case .mergesDoNotFit(let start, let interval, let merges, let total):
      return """
        adapter.aslora.num_merges: the last merge would be at step start_step + num_merges * merge_interval = \
        \(start) + \(merges) * \(interval), but the run has \(total) steps
        """
    case .rankDiffers(let path, let adapter, let config, let others):
      let more = others == 0 ? "" : ", and \(others) more maps have other ranks than the run"
      return "adapter.init_from: \(path) has rank \(adapter), adapter.r is \(config)\(more)"
    case .otherMethod(let method):
      return "adapter.init_from: \(method) can only start from another adapter of \(method)"
    case .otherOptions(let method, let differences):
      return """
        adapter.init_from: \(method) can only go on from an adapter with the same options, but \
        \(differences.joined(separator: ", "))
        """
    case .scaleDiffers(let adapter, let config, let method):
      return """
        adapter.init_from: the adapter was trained with the scale \(adapter), this run's is \(config), and \(method) \
        cannot take it over: give the run the adapter's lora_alpha and use_rslora
        """
    case .notPlain(let path, let method):
      return "adapter.init_from: the adapter changes \(path) by more than A and B, which \(method) cannot do"
    case .missingSites(let paths):
      return "adapter.init_from: the adapter lacks \(paths.firstThree), listed in target_modules"
    case .unusedSites(let paths):
      return "adapter.init_from: the adapter has \(paths.firstThree), which target_modules leaves out"
    case .noFactors(let path, .notFinite):
      return "\(path): the weight holds NaN or infinite numbers, so it cannot be decomposed"
    case .noFactors(let path, .noConvergence): return "\(path): the decomposition of the weight did not converge"
    case .unknownChange(let path, let reason):
      return """
        \(path): what PEFT took out of the weight, which the adapter's file does not hold, is not known: \(reason)
        """
    case .productNotFinite(let path):
      return "the product of the adapter's tensors for \(path) holds NaN or infinite numbers"
    case .noInverse(let path, let method):
      return """
        \(path): \(method) divides by A Aᵀ, which has no inverse: the rows of A are not independent, or its numbers too large
        """
    case .sharedStart(let method, let role, let module, let maps):
      return """
        adapter.init_lora_weights: \(method) starts \(role.name) from one weight, but \(maps) maps of \(module) share it; \
        init_from_mean: true takes the mean of their weights
        """
    case .valuesDiffer(let strategy, let role, let module, let first, let others):
      return """
        adapter.init_from: lora_\(role.name) of \(module) differs between layer \(first) and \
        layer\(others.count == 1 ? "" : "s") \(others.map(String.init).firstThree), but \(strategy) shares it
        """
    }
  }

  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }
}
