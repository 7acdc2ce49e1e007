import Adapters
import Diagnostics
import Kernels
import Models
import Tasks

extension PreparedRun {
  /// A fresh start: the adapter drawn from the seed (or `init_from`), the head as stored or drawn. Adds notes for the user
  /// to `notices`.
  public func freshState(notices: inout [String]) throws -> TrainableState {
    var state = TrainableState(table: table, head: try head(), weights: try baseWeights(of: table))
    try state.initializeAdapter(philox: philox)
    let storedHead = try network().storedHead
    for (index, parameter) in state.head.enumerated() {
      state[head: index] =
        storedHead?[index] ?? parameter.freshValues(philox: philox, deviation: Double(model.initializerRange))
    }
    if let directory = config.adapter.initFrom { try initialize(&state, from: directory, &notices) }
    return state
  }

  /// The native or PEFT adapter in `directory`, for this run's model.
  func adapter(in directory: String) throws -> AdapterSource {
    try AdapterSource.read(
      directory, geometry, modelDirectory: modelDirectory, methods: config.catalog.methods, philox: philox)
  }

  /// The base model's weights, if the method of `table` needs them.
  func baseWeights(of table: SiteTable) throws -> BaseWeights? {
    guard table.method.needsWeights else { return nil }
    return try BaseWeights(geometry.checkpoint(modelDirectory), geometry, sites: table.sites, philox: philox)
  }

  /// Takes the tensors of a native or PEFT adapter directory. A head of another shape (another task's) is left out.
  private func initialize(
    _ state: inout TrainableState, from directory: String, _ notices: inout [String]
  ) throws {
    let source = try adapter(in: directory)
    let values = try source.initialise(state.table, scale: scale)
    try state.adopt(values)
    if state.table.method.additions.usesDoRA, state.table.tensors.contains(where: { values[$0] == nil }) {
      notices.append("adapter.init_from: \(directory) has no magnitudes; they start as the norms of W + s B A")
    }
    let scales = zip(state.table.sites, state.table.scales).map { ($0.path, $1 ?? scale) }
    let own = Dictionary(scales) { first, _ in first }
    if let other = source.expanded.entries.first(where: { $0.scale != own[$0.site.path] }) {
      notices.append(
        "adapter.init_from: \(directory) was trained with the scale \(other.scale) at \(other.site.path), this run's is "
          + "\(own[other.site.path] ?? scale): B is multiplied by their ratio, so that the run starts at the same function"
      )
    }
    // The same classes in another order would train against swapped outputs.
    let labels = try task().labels, names = labels?.names ?? []
    let hasOtherOrder = source.labels.map { $0 != labels && $0.inOrder(of: names) != nil } ?? false
    let hasOtherHead = TaskType.differ(source.taskType, TaskType.classifier(geometry.head))
    for (index, parameter) in state.head.enumerated() {
      if !hasOtherOrder, !hasOtherHead, let stored = source.expanded.head[parameter.name],
        stored.shape == parameter.shape
      {
        state[head: index] = stored.values
      } else {
        notices.append(
          "adapter.init_from: \(directory) has no \(parameter.name) for this task's outputs; it starts afresh")
      }
    }
  }

  /// The state of an adapter for this run's task: its own sharing and scale count, not those of the config.
  func state(of source: AdapterSource, directory: String) throws -> (state: TrainableState, scale: Double) {
    let (table, tensors, scale) = try source.content()
    var state = TrainableState(table: table, head: try head(), weights: source.weights)
    for (key, values) in tensors { state[key] = values }
    let taskType = TaskType.classifier(geometry.head)
    if !state.head.isEmpty, let other = source.taskType, TaskType.differ(other, taskType) {
      throw RunError.otherTaskType(directory: directory, found: other, expected: taskType)
    }
    for (index, parameter) in state.head.enumerated() {
      let stored = source.expanded.head[parameter.name]
      // PEFT keeps the base model's head where an adapter has none.
      if stored == nil, source.native == nil, let base = try network().storedHead {
        state[head: index] = base[index]
        continue
      }
      guard let stored, stored.shape == parameter.shape else {
        throw RunError.headMismatch(
          directory: directory, tensor: parameter.name, found: stored?.shape ?? [], expected: parameter.shape)
      }
      state[head: index] = stored.values
    }
    state.step = source.native?.metadata.step ?? 0
    return (state, scale)
  }

  /// What a finished state is stored as, for a task with these labels.
  func stored(_ state: TrainableState, labels: LabelSpace?) -> StoredAdapter {
    let adapter = config.adapter
    return StoredAdapter(
      table: state.table, tensors: Dictionary(uniqueKeysWithValues: state.table.tensors.map { ($0, state[$0]) }),
      head: Dictionary(
        uniqueKeysWithValues: state.head.enumerated().map {
          ($1.name, HeadTensor(shape: $1.shape, values: state[head: $0]))
        }),
      metadata: AdapterMetadata(
        baseModel: modelDirectory, modelType: model.modelType,
        taskType: labels == nil ? TaskType.language : TaskType.classifier(geometry.head),
        labels: labels?.names ?? [], problemType: labels?.problemType, loraAlpha: adapter.loraAlpha,
        loraDropout: adapter.loraDropout,
        useRSLoRA: adapter.useRSLoRA, targetModules: adapter.targetModules, step: state.step))
  }
}

/// An adapter directory of either kind.
public struct AdapterSource: Sendable {
  /// Every adapted map with its own A and B.
  public let expanded: ExpandedAdapter
  /// A native adapter's own form, with its sharing; nil for PEFT's.
  public internal(set) var native: StoredAdapter?
  /// The tensors of the method, where the files hold them: of a native adapter, or of a method that PEFT has too.
  private let form: StoredAdapter?
  /// PEFT's name for what it was trained for, if it is known.
  public let taskType: String?

  /// Reads a native or an HF PEFT adapter directory for the model in `modelDirectory`, whose weights are read only if the
  /// method needs them. `methods` are those that a native adapter may have; `philox` draws parts that the model lacks.
  public static func read(
    _ directory: String, _ geometry: ModelGeometry, modelDirectory: String,
    methods: [AdapterMethod] = AdapterMethod.all, philox: Philox = Philox(seed: 0)
  ) throws -> AdapterSource {
    func withWeights(_ stored: StoredAdapter) throws -> StoredAdapter {
      guard stored.table.method.needsWeights else { return stored }
      var stored = stored
      stored.weights = try BaseWeights(
        geometry.checkpoint(modelDirectory), geometry, sites: stored.table.sites, philox: philox)
      return stored
    }
    guard try AdapterFile.isNative(directory) else {
      let peft = try PEFTAdapter.read(directory, geometry: geometry, methods: methods)
      switch peft.content {
      case .lora(let expanded):
        return AdapterSource(expanded: expanded, native: nil, form: nil, taskType: peft.taskType)
      case .method(let stored):
        var form = try withWeights(stored)
        try form.restoreStart()
        return AdapterSource(expanded: try form.expanded, native: nil, form: form, taskType: peft.taskType)
      }
    }
    var stored = try withWeights(AdapterFile.read(directory, sites: geometry.sites, methods: methods))
    try stored.restoreStart()
    return AdapterSource(
      expanded: try stored.expanded, native: stored, form: stored, taskType: stored.metadata.taskType)
  }

  /// The adapter's sharing, tensors and scale.
  func content() throws -> (table: SiteTable, tensors: [TensorKey: [Float]], scale: Double) {
    try form.map { ($0.table, $0.tensors, $0.scale) } ?? expanded.uniform()
  }

  /// The base model's weights, where the method needs them.
  var weights: BaseWeights? { form?.weights }

  /// The labels the head was trained for, if known.
  public var labels: LabelSpace? { native.map { LabelSpace($0.metadata) } }

  /// The numbers that a run with `table` starts from. An adapter of the same method gives its own tensors.
  func initialise(_ table: SiteTable, scale: Double) throws -> [TensorKey: [Float]] {
    // The B that mica freezes must be one that it chose.
    if table.method.additions.start == .mica, form?.table.method != table.method {
      throw AdapterError.otherMethod(config: table.method.title)
    }
    guard table.method.form != nil, let form, form.table.method == table.method else {
      if let method = form?.table.method, method.name == table.method.name, !table.method.design.takesPairs {
        let differences = table.method.options.differences(from: method.options)
        if !differences.isEmpty { throw AdapterError.otherOptions(method: method.name, differences: differences) }
      }
      return try expanded.initialise(table, scale: scale)
    }
    try ErrorList.throwIfAny(expanded.misfits(table))
    if let site = table.sites.first, form.table.rank != table.rank {
      throw AdapterError.rankDiffers(path: site.path, adapter: form.table.rank, config: table.rank)
    }
    // What a form makes of its tensors need not be in proportion to them.
    if form.scale != scale {
      throw AdapterError.scaleDiffers(adapter: form.scale, config: scale, method: table.method.title)
    }
    return form.tensors
  }
}
