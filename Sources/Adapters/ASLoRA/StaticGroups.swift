import StrictJSON

/// ASLoRA's control without merges: groups of neighbours that share a B from the first step on.
struct StaticGroups: MethodProcedure {
  /// B's that each module type has fewer than layers.
  let numMerges: Int

  /// Throws if `layers` layers have not as many.
  init(_ options: ASLoRAOptions, layers: Int) throws {
    numMerges = options.numMerges ?? ASLoRAPlan.defaultNumMerges(layers: layers)
    try ASLoRAPlan.check(numMerges: numMerges, layers: layers)
  }

  mutating func afterStep(_ state: inout TrainableState, wasApplied: Bool) -> [ProcedureEvent] { [] }

  var checkpoint: ProcedureCheckpoint {
    ProcedureCheckpoint(fields: [
      (
        "aslora",
        ["merging": .string(ASLoRAOptions.Merging.atStart.rawValue), "num_merges": .integer(numMerges)]
      )
    ])
  }

  /// Nil if a run with merges while training wrote the checkpoint.
  init?(_ stored: StoredProcedure) {
    guard let fields = stored.fields["aslora"],
      fields["merging"]?.string == ASLoRAOptions.Merging.atStart.rawValue,
      let merges = fields["num_merges"]?.integer, merges >= 0
    else { return nil }
    numMerges = merges
  }
}

extension SiteTable {
  /// The table with `count` groups of neighbouring layers in every module (of a module with fewer layers, one a layer)
  /// whose lengths differ by at most one. A group's highest layer names its B.
  func grouped(leaving count: Int) -> SiteTable {
    var table = self
    var ties: [TensorKey: TensorKey] = [:]
    for module in modules {
      let layers = Set(sites.filter { $0.module == module }.map(\.layer)).sorted()
      let groups = max(1, min(count, layers.count))
      for group in 0..<groups {
        let members = layers[(group * layers.count / groups)..<((group + 1) * layers.count / groups)]
        guard let highest = members.last else { continue }
        for layer in members.dropLast() {
          ties[TensorKey(role: .b, module: module, layer: layer)] = TensorKey(role: .b, module: module, layer: highest)
        }
      }
    }
    table.tie(ties)
    return table
  }

  /// The groups of a table that a run starts with, as merges before its first step; none if every layer has its own B.
  ///
  /// Only a method that merges has such groups: what other methods share is no group's.
  public var mergesBeforeTraining: [GroupMerge] {
    guard method.procedure != nil else { return [] }
    return modules.flatMap { module -> [GroupMerge] in
      // A B that the method shares over the whole stack has no layer.
      let owned = tensors.filter { $0.role == .b && $0.module == module && $0.layer != nil }
      let groups = owned.map { key in users(of: key).map { sites[$0].layer }.sorted() }
      var left = groups.reduce(0) { $0 + $1.count }
      return groups.flatMap { layers in
        zip(layers, layers.dropFirst()).map { lower, upper in
          left -= 1
          return GroupMerge(
            step: 0, module: module, lowerLayer: lower, upperLayer: upper, distance: 0, groupsLeft: left)
        }
      }
    }
  }
}
