import Diagnostics
import Models
import StrictJSON

/// One pair of A and B among several that are added up at a map, with the maps that share it.
///
/// In configs `{"scope": "blocks", "k": 3, "rank": 4, "alpha": 8}`.
public struct SharingLevel: Sendable, Equatable {
  /// Which maps share a pair.
  public enum Scope: String, Sendable, CaseIterable {
    /// All maps of the model.
    case model
    /// The maps of a module type, over the stack.
    case type
    /// Those in one of k blocks of neighbouring layers, as equal as they can be.
    case blocks
    /// Those in k neighbouring layers.
    case groups
    /// All maps of a layer.
    case layer
    /// The map alone.
    case map

    /// Whether there is a k.
    var hasSize: Bool { self == .blocks || self == .groups }
  }

  /// Which maps share it.
  public let scope: Scope
  /// k of blocks and groups; 1 for others.
  public let k: Int
  /// The rank; nil for r.
  public let rank: Int?
  /// alpha; nil for the run's.
  public let alpha: Double?

  /// A level.
  public init(_ scope: Scope, k: Int = 1, rank: Int? = nil, alpha: Double? = nil) {
    (self.scope, self.k, self.rank, self.alpha) = (scope, k, rank, alpha)
  }

  /// A and B of the level for a site, [rank, longest input of those that share it] and likewise.
  func tensors(_ number: Int, _ site: Site, rank: Int, _ maps: AdaptedMaps) -> [AdapterTensor] {
    let (a, b) = (Self.a(number), Self.b(number))
    func pair(_ key: (TensorRole) -> TensorKey, _ inputs: Int, _ outputs: Int) -> [AdapterTensor] {
      [
        AdapterTensor(key(a), shape: [rank, inputs], start: .kaimingUniform),
        AdapterTensor(key(b), shape: [outputs, rank], start: .zeros),
      ]
    }
    switch scope {
    case .model: return pair({ .ofAllModules($0) }, maps.largestIn, maps.largestOut)
    case .layer:
      let sizes = maps.largestSizes(inLayer: site.layer)
      return pair({ .ofAllModules($0, layer: site.layer) }, sizes.inFeatures, sizes.outFeatures)
    case .type, .blocks, .groups, .map:
      let layer = namingLayer(site, maps)
      return pair(
        { TensorKey(role: $0, module: site.module, layer: layer) }, site.inFeatures, site.outFeatures)
    }
  }

  /// The highest layer of those that share it within a module type; nil for the whole stack.
  private func namingLayer(_ site: Site, _ maps: AdaptedMaps) -> Int? {
    let layers = maps.layers(of: site), index = maps.layerIndex(of: site)
    switch scope {
    case .model, .type: return nil
    case .layer, .map: return site.layer
    case .groups: return layers[min((index / k + 1) * k, layers.count) - 1]
    case .blocks:
      // Block j has the layers i with ⌊i · k / L⌋ = j; the next one begins at ⌈(j + 1) · L / k⌉.
      let block = index * k / layers.count
      return layers[((block + 1) * layers.count + k - 1) / k - 1]
    }
  }

  /// All that does not fit a map, under the config's `key`, or `sizeKey` if k has one of its own.
  func misfits(
    _ key: String, sizeKey: String?, _ number: Int, _ site: Site, rank: Int, _ maps: AdaptedMaps
  ) -> [MethodMisfit] {
    var misfits: [MethodMisfit] = []
    let smaller = min(site.inFeatures, site.outFeatures), layers = maps.layerCount(of: site)
    if rank < 1 { misfits.append(MethodMisfit(key, "no rank is left for level \(number), \"\(scope.rawValue)\"")) }
    if rank > smaller {
      misfits.append(MethodMisfit(key, "rank \(rank) of level \(number) is above the smaller dimension \(smaller)"))
    }
    if scope.hasSize, k > layers {
      let size = sizeKey == nil ? "k = \(k) of level \(number)" : "\(k)"
      let problem = "\(size) is above the number of layers (\(layers)) in which \(site.module) is adapted"
      misfits.append(MethodMisfit(sizeKey ?? key, problem, isOfMap: false))
    }
    return misfits
  }

  /// The role of the A of the level with this number, from 1.
  static func a(_ number: Int) -> TensorRole { TensorRole("A\(number)", factor: .a) }
  /// The role of its B.
  static func b(_ number: Int) -> TensorRole { TensorRole("B\(number)", factor: .b) }
}

// MARK: - In configs

extension SharingLevel {
  /// What a list of levels must be.
  static let expectedList = "a list of levels, each with scope, rank and, for blocks and groups, k"

  /// The levels of a list, and what is wrong with it.
  static func read(_ node: JSONNode) -> (levels: [SharingLevel], faults: [MethodOption.Fault]) {
    guard let list = node.array, !list.isEmpty else { return ([], [MethodOption.Fault("", node, expectedList)]) }
    var faults: [MethodOption.Fault] = []
    let levels = list.enumerated().compactMap { read($1, "[\($0)]", &faults) }
    return (levels, faults)
  }

  private static func read(_ node: JSONNode, _ path: String, _ faults: inout [MethodOption.Fault]) -> SharingLevel? {
    guard let object = node.object else {
      faults.append(MethodOption.Fault(path, node, "an object with scope, k, rank and alpha"))
      return nil
    }
    let known = faults.count
    func given(_ key: String) -> JSONNode { object[key] ?? JSONNode(.null, line: node.line) }
    func add(_ key: String, _ expected: String) {
      faults.append(MethodOption.Fault("\(path).\(key)", given(key), expected))
    }
    for key in object.keys where !["scope", "k", "rank", "alpha"].contains(key) {
      add(key, "one of the keys of a level (scope, k, rank, alpha)")
    }
    let scope = given("scope").string.flatMap(Scope.init)
    let k = given("k"), rank = given("rank"), alpha = given("alpha")
    if scope == nil { add("scope", "one of \(Scope.allCases.map(\.rawValue).joined(separator: ", "))") }
    if scope?.hasSize == true, !isSize(k, atLeast: 2) { add("k", "a whole number of at least 2") }
    if scope?.hasSize == false, !k.isNull { add("k", "left out for scope \"\(scope?.rawValue ?? "")\"") }
    if !rank.isNull, !isSize(rank, atLeast: 1) { add("rank", "a whole number of at least 1 or null") }
    if !alpha.isNull, (alpha.number ?? 0) <= 0 { add("alpha", "a number above 0 or null") }
    guard faults.count == known else { return nil }
    return scope.map { SharingLevel($0, k: k.integer ?? 1, rank: rank.integer, alpha: alpha.number) }
  }

  private static func isSize(_ node: JSONNode, atLeast least: Int) -> Bool {
    guard let number = node.integer else { return false }
    return (least...MethodOption.most).contains(number)
  }

  /// The level in the one way that files have it.
  var json: JSONValue {
    var members: [(String, JSONValue)] = [("scope", .string(scope.rawValue))]
    if scope.hasSize { members.append(("k", .integer(k))) }
    if let rank { members.append(("rank", .integer(rank))) }
    if let alpha { members.append(("alpha", plain(alpha))) }
    return .members(members)
  }

  /// Lists of levels, as a JSON Schema.
  static let schema: JSONValue = [
    "type": "array", "minItems": 1,
    "items": [
      "type": "object", "required": ["scope"], "additionalProperties": false,
      "properties": [
        "scope": ["enum": .strings(Scope.allCases.map(\.rawValue))],
        "k": ["type": ["integer", "null"], "minimum": 2],
        "rank": ["type": ["integer", "null"], "minimum": 1],
        "alpha": ["type": ["number", "null"], "exclusiveMinimum": 0],
      ],
    ],
  ]
}
