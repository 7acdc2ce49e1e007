import Kernels

/// An adapter as it is on disk: the table of sharing, each distinct tensor once, and the task's head.
public struct StoredAdapter: Sendable {
  /// Which tensors every adapted map uses, ASLoRA's groups as they were.
  public var table: SiteTable
  /// The numbers of each distinct tensor, row-major.
  public var tensors: [TensorKey: [Float]]
  /// The head's tensors by their names in the model: `classifier.weight`. Files put `head.` before them.
  public var head: [String: HeadTensor]
  /// What the config file says beside the sharing.
  public var metadata: AdapterMetadata
  /// The base model's weights, where the method needs them.
  public var weights: BaseWeights?

  /// An adapter. Every tensor of `table` must be there in its shape.
  public init(
    table: SiteTable, tensors: [TensorKey: [Float]], head: [String: HeadTensor], metadata: AdapterMetadata
  ) {
    self.table = table
    self.tensors = tensors
    self.head = head
    self.metadata = metadata
  }

  /// s in h = W x + s · B A x, of the maps that have none of their own.
  public var scale: Double { table.scale }

  /// Every adapted map with its own A and B, whatever they share and whatever they are made of. Throws if the method needs
  /// the base model's weights and they are not there.
  public var expanded: ExpandedAdapter {
    get throws {
      let isWhole = table.tensors.allSatisfy { tensors[$0] != nil }
      if !isWhole || table.method.form?.needsWeights == true && weights == nil {
        throw AdapterFormatError.needsWeights(strategy: table.method.title)
      }
      return ExpandedAdapter(entries: try table.sites.indices.map(entry), head: head)
    }
  }

  /// Throws where the tensors do not say where sparse numbers are, or where what is made of them is not finite.
  private func entry(_ position: Int) throws -> ExpandedAdapter.Entry {
    let values = table.tensors(ofSiteAt: position, weights) { tensors[$0] ?? [] }
    let product =
      table.method.form?.build(values) ?? SiteProduct(rank: values.rank, a: values[.a], b: values[.b])
    guard [product.a, product.b, product.rowScale ?? []].allSatisfy({ $0.allSatisfy(\.isFinite) }) else {
      throw AdapterError.productNotFinite(path: values.site.path)
    }
    return ExpandedAdapter.Entry(
      site: values.site, rank: product.rank, scale: values.scale, a: product.a, b: product.b,
      rowScale: product.rowScale,
      sparse: try table.method.form?.sparse?.places(values).map { SparseMatrix(places: $0, values: product.sparse) },
      magnitude: table.method.additions.usesDoRA ? values[.magnitude] : nil)
  }
}

extension StoredAdapter {
  /// Adds the tensors that files lack because they follow from the base model's weights. PEFT has some as changes of those,
  /// which it recomputes too. Throws where they are not unique.
  public mutating func restoreStart() throws {
    guard let start = table.method.design.start else { return }
    for group in table.groups(sharing: start.roles) {
      let missing = start.roles.compactMap { role in table.key(role, ofSiteAt: group[0]).map { (role, $0) } }
        .filter { tensors[$0.1] == nil }
      if missing.isEmpty { continue }
      guard weights != nil else { throw AdapterFormatError.needsWeights(strategy: table.method.title) }
      // The run's seed has no part in it: PEFT's random decompositions are refused.
      let subject = table.startSubject(group, weights, Philox(seed: 0))
      if let reason = try subject.ambiguity(of: table.method.additions.start) {
        throw AdapterError.unknownChange(path: subject.site.path, reason: reason)
      }
      let values = try start.values(subject)
      for (role, key) in missing { tensors[key] = values[role] }
    }
  }
}

extension StoredAdapter: Equatable {
  /// Whether two adapters have the same tables, numbers, heads and metadata.
  public static func == (one: StoredAdapter, other: StoredAdapter) -> Bool {
    one.table == other.table && one.tensors == other.tensors && one.head == other.head && one.metadata == other.metadata
  }
}

/// One tensor of a task's head.
public struct HeadTensor: Sendable, Equatable {
  /// Lengths of the dimensions, slowest first.
  public let shape: [Int]
  /// The numbers, row-major.
  public let values: [Float]

  /// A tensor.
  public init(shape: [Int], values: [Float]) {
    self.shape = shape
    self.values = values
  }
}

/// What `adapter_config.json` says beside r, strategy and sharing.
public struct AdapterMetadata: Sendable, Equatable {
  /// Directory or Hub id of the base model.
  public var baseModel: String
  /// The family: `bert`.
  public var modelType: String
  /// PEFT's task type: `SEQ_CLS`, `CAUSAL_LM`.
  public var taskType: String
  /// The classes' names by class number; empty for regression and language modelling.
  public var labels: [String]
  /// transformers' `problem_type`, where it does not follow from the labels: `multi_label_classification`.
  public var problemType: String?
  /// alpha in s = alpha / r.
  public var loraAlpha: Double
  /// The probability of dropping an input of A in training.
  public var loraDropout: Double
  /// Whether s = alpha / √r.
  public var useRSLoRA: Bool
  /// `target_modules` as in the run's config.
  public var targetModules: TargetModules
  /// Optimiser steps that the tensors have been through.
  public var step: Int

  /// The values of a run's config.
  public init(
    baseModel: String, modelType: String, taskType: String, labels: [String], problemType: String? = nil,
    loraAlpha: Double,
    loraDropout: Double = 0, useRSLoRA: Bool = false, targetModules: TargetModules, step: Int = 0
  ) {
    self.baseModel = baseModel
    self.modelType = modelType
    self.taskType = taskType
    self.labels = labels
    self.problemType = problemType
    self.loraAlpha = loraAlpha
    self.loraDropout = loraDropout
    self.useRSLoRA = useRSLoRA
    self.targetModules = targetModules
    self.step = step
  }

  /// s of a map of this rank under `method`.
  public func scale(_ method: AdapterMethod, rank: Int) -> Double {
    method.design.scale.value(alpha: loraAlpha, rank: rank, useRSLoRA: useRSLoRA)
  }
}
