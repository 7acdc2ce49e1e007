import Adapters
import Tasks

extension PreparedRun {
  /// A fresh start: the adapter drawn from the seed (or `init_from`), the head as stored or drawn. What a person should
  /// know about it is added to `notices`.
  public func freshState(notices: inout [String]) throws -> TrainableState {
    var state = TrainableState(table: table, head: try head())
    state.initializeAdapter(philox: philox)
    let storedHead = try network().storedHead
    for (index, parameter) in state.head.enumerated() {
      state[head: index] =
        storedHead?[index] ?? parameter.freshValues(philox: philox, deviation: Double(model.initializerRange))
    }
    if let directory = config.adapter.initFrom { try initialize(&state, from: directory, &notices) }
    return state
  }

  /// Takes the tensors of a native or PEFT adapter directory. A head of another shape (another task's) is left out.
  private func initialize(
    _ state: inout TrainableState, from directory: String, _ notices: inout [String]
  ) throws {
    let source = try AdapterSource.read(directory, self)
    for (key, values) in try source.initialise(state.table) { state[key] = values }
    if let other = source.expanded.entries.first?.scale, other != scale {
      notices.append("adapter.init_from: \(directory) was trained with the scale \(other); this run's is \(scale)")
    }
    // The same classes in another order would train against swapped outputs.
    let labels = try task().labels, names = labels?.names ?? []
    let hasOtherOrder = source.labels.map { $0 != labels && $0.inOrder(of: names) != nil } ?? false
    for (index, parameter) in state.head.enumerated() {
      if !hasOtherOrder, let stored = source.expanded.head[parameter.name], stored.shape == parameter.shape {
        state[head: index] = stored.values
      } else {
        notices.append(
          "adapter.init_from: \(directory) has no \(parameter.name) for this task's outputs; it starts afresh")
      }
    }
  }

  /// The state of an adapter for this run's task: its own sharing and scale count, not those of the config.
  func state(of source: AdapterSource, directory: String) throws -> (state: TrainableState, scale: Double) {
    let (table, tensors, scale) =
      try source.native.map { ($0.table, $0.tensors, $0.scale) } ?? source.expanded.uniform()
    var state = TrainableState(table: table, head: try head())
    for (key, values) in tensors { state[key] = values }
    for (index, parameter) in state.head.enumerated() {
      let stored = source.expanded.head[parameter.name]
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
        baseModel: modelDirectory, modelType: model.modelType, taskType: labels == nil ? "CAUSAL_LM" : "SEQ_CLS",
        labels: labels?.names ?? [], loraAlpha: adapter.loraAlpha, loraDropout: adapter.loraDropout,
        useRSLoRA: adapter.useRSLoRA, targetModules: adapter.targetModules.names, step: state.step))
  }
}
