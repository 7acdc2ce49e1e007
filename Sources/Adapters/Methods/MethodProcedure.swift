import StrictJSON

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
  /// The table at the end of a run. Throws if the options do not fit it.
  public let finalTable: @Sendable (_ options: MethodOptions, _ table: SiteTable) throws -> SiteTable
  /// The steps after which the table changes, in a run of `totalSteps`.
  public let steps: @Sendable (_ options: MethodOptions, _ table: SiteTable, _ totalSteps: Int) throws -> [Int]

  /// A procedure; one that leaves the table alone needs neither `finalTable` nor `steps`.
  public init(
    begin: @escaping @Sendable (MethodOptions, SiteTable, Int) throws -> any MethodProcedure,
    resume: @escaping @Sendable (StoredProcedure, SiteTable, Int) throws -> (any MethodProcedure)?,
    finalTable: @escaping @Sendable (MethodOptions, SiteTable) throws -> SiteTable = { $1 },
    steps: @escaping @Sendable (MethodOptions, SiteTable, Int) throws -> [Int] = { _, _, _ in [] }
  ) {
    (self.begin, self.resume, self.finalTable, self.steps) = (begin, resume, finalTable, steps)
  }
}

/// The options of methods, as the config's section `adapter` gives them.
public struct MethodOptions: Sendable, Equatable {
  /// ASLoRA's.
  public var aslora: ASLoRAOptions

  /// Every default.
  public init(aslora: ASLoRAOptions = ASLoRAOptions()) { self.aslora = aslora }
}
