import StrictJSON

/// What a method does between two optimiser steps: ASLoRA merges groups of layers, RoSA chooses places.
public protocol MethodProcedure: Sendable {
  /// Whether it wants the gradients of the adapted maps' weights on the batch of `step`, which has just been done.
  func wantsWeightGradients(after step: Int) -> Bool
  /// Takes the gradient [out, in] of the weight of the map at `position` in the table.
  mutating func take(weightGradient: [Float], ofSiteAt position: Int, _ state: TrainableState)
  /// Runs after every step, the first of which has the number 1. `wasApplied` is false for a step that changed nothing
  /// because its numbers were not finite. Returns what it did.
  mutating func afterStep(_ state: inout TrainableState, wasApplied: Bool) -> [ProcedureEvent]
  /// All that it needs to go on from here.
  var checkpoint: ProcedureCheckpoint { get }
}

extension MethodProcedure {
  /// Most want none.
  public func wantsWeightGradients(after step: Int) -> Bool { false }
  /// Nothing is taken.
  public mutating func take(weightGradient: [Float], ofSiteAt position: Int, _ state: TrainableState) {}
}

/// What a procedure did.
public enum ProcedureEvent: Sendable, Equatable {
  /// Two groups of layers share a B from now on.
  case merged(GroupMerge)
  /// Something else, in a sentence.
  case note(String)
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
  /// Whether it ties layers that begin apart, so that these must have equal ranks and scales.
  public let mergesLayers: Bool
  /// Whether it lets the adapter begin anew, so that nothing is left of what it began with.
  public let beginsAnew: Bool
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
    mergesLayers: Bool = false, beginsAnew: Bool = false,
    begin: @escaping @Sendable (MethodOptions, SiteTable, Int) throws -> any MethodProcedure,
    resume: @escaping @Sendable (StoredProcedure, SiteTable, Int) throws -> (any MethodProcedure)?,
    startTable: @escaping @Sendable (MethodOptions, SiteTable) throws -> SiteTable = { $1 },
    finalTable: @escaping @Sendable (MethodOptions, SiteTable) throws -> SiteTable = { $1 },
    steps: @escaping @Sendable (MethodOptions, SiteTable, Int) throws -> [Int] = { _, _, _ in [] }
  ) {
    (self.begin, self.resume, self.finalTable, self.steps) = (begin, resume, finalTable, steps)
    (self.mergesLayers, self.beginsAnew, self.startTable) = (mergesLayers, beginsAnew, startTable)
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
