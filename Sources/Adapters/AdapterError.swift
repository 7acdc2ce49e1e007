import Diagnostics

/// What can be wrong with the adapter section of a config.
public enum AdapterError: UserFacingError, Equatable {
  /// No method has this name.
  case unknownStrategy(String, known: [String])
  /// r is below 1.
  case rankNotPositive(Int)
  /// r is above the smaller dimension of an adapted map.
  case rankTooLarge(rank: Int, path: String, inFeatures: Int, outFeatures: Int)
  /// Sites that would share a tensor need different shapes of it.
  case shapesDiffer(strategy: String, role: TensorRole, module: String, first: String, second: String)
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
  /// The adapter of `init_from` has another rank.
  case rankDiffers(path: String, adapter: Int, config: Int)
  /// The method makes its products of other tensors than A and B, and `init_from` is of another method.
  case otherMethod(config: String)
  /// An adapter that is more than A and B, for a method that has nothing else.
  case notPlain(path: String, config: String)
  /// The adapter of `init_from` lacks these maps.
  case missingSites([String])
  /// The run would ignore these maps of the adapter of `init_from`.
  case unusedSites([String])
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
    case .shapesDiffer(let strategy, let role, let module, let first, let second):
      let shared = "\(strategy) shares \(role.name) of \(module)"
      return "adapter.strategy: \(shared), but \(first) and \(second) differ in shape"
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
    case .rankDiffers(let path, let adapter, let config):
      return "adapter.init_from: \(path) has rank \(adapter), adapter.r is \(config)"
    case .otherMethod(let method):
      return "adapter.init_from: \(method) can only start from an adapter of the same method"
    case .notPlain(let path, let method):
      return "adapter.init_from: the adapter scales the rows of \(path), which \(method) cannot do"
    case .missingSites(let paths):
      return "adapter.init_from: the adapter lacks \(paths.firstThree), listed in target_modules"
    case .unusedSites(let paths):
      return "adapter.init_from: the adapter has \(paths.firstThree), which target_modules leaves out"
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
