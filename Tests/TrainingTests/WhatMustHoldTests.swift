import Adapters
import Autograd
import Checkpoints
import Configuration
import Foundation
import Kernels
import Models
import Tasks
import Testing

@testable import Training

/// The points of papers.md, "What must hold", that need the trainer; the others are in AdaptersTests.
@Suite struct WhatMustHoldTests {
  /// Trains `steps` steps with batches of 8 on the golden data from a fresh seeded start.
  private func trained(
    _ strategy: String, model: String = "bert-tiny", steps: Int = 20,
    aslora: (start: Int, every: Int, merges: Int)? = nil,
    threads: Int = 1, onEvent: (TrainingEvent) -> Void = { _ in }
  ) throws -> Trainer {
    var trainer = try self.trainer(strategy, model: model, steps: steps, aslora: aslora, threads: threads)
    _ = try trainer.run(onEvent: onEvent)
    return trainer
  }

  private func trainer(
    _ strategy: String, model: String = "bert-tiny", steps: Int, aslora: (start: Int, every: Int, merges: Int)? = nil,
    threads: Int = 1, config modelJSON: String? = nil
  ) throws -> Trainer {
    let golden = try GoldenRun(model: model, run: "lora", threads: threads)
    let strategy = try AdapterMethod.named(strategy)
    let table = try SiteTable(sites: golden.table.sites, method: strategy, r: 4)
    var state = TrainableState(table: table, head: HeadParameter.all(config: golden.classifier.model.config, labels: 2))
    let philox = Philox(seed: 42)
    try state.initializeAdapter(philox: philox)
    for (index, parameter) in state.head.enumerated() {
      state[head: index] = parameter.freshValues(philox: philox, deviation: 0.02)
    }
    var config = golden.config
    config.maxSteps = steps
    config.shuffle = true
    let plan = try aslora.map {
      try mergingProcedure(
        ASLoRAOptions(startStep: $0.start, mergeInterval: $0.every, numMerges: $0.merges), table, totalSteps: steps)
    }
    return Trainer(
      state: state, engine: golden.engine(), config: config, train: golden.data,
      evaluationSets: [(.validation, golden.data)], procedure: plan, philox: philox)
  }

  private func tensors(_ state: TrainableState) -> [String: [Float]] {
    var named = Dictionary(uniqueKeysWithValues: state.table.tensors.map { (state.table.name(of: $0), state[$0]) })
    for (index, parameter) in state.head.enumerated() { named[parameter.name] = state[head: index] }
    return named
  }

  @Test func asloraWithoutMergesEqualsShareABitForBit() throws {
    let shareA = try trained("share-a"), aslora = try trained("aslora", aslora: (2, 3, 0))
    #expect(tensors(shareA.state) == tensors(aslora.state))
  }

  @Test func firstMergeIsAtStartPlusInterval() throws {
    var steps: [Int] = []
    _ = try trained("aslora", aslora: (5, 4, 2)) { if case .merged(let event) = $0 { steps.append(event.step) } }
    #expect(steps == [9, 9, 13, 13])  // one event for each module type
  }

  @Test func mergedLayersNameTheFormerUpperBAndMoveAlike() throws {
    let before = try trained("aslora", steps: 8, aslora: (2, 100, 0)).state
    var event: GroupMerge?
    let after = try trained("aslora", steps: 8, aslora: (2, 6, 1)) { if case .merged(let merge) = $0 { event = merge } }
      .state
    let merge = try require(event)
    let module = merge.module
    let lower = TensorKey(role: .b, module: module, layer: merge.lowerLayer)
    let upper = TensorKey(role: .b, module: module, layer: merge.upperLayer)
    // The runs' schedules are equal, so up to the merge they are one run.
    #expect(after[upper] == before[upper])
    #expect(before[lower] != before[upper])
    let users = after.table.users(of: upper).map { after.table.sites[$0].layer }
    #expect(users == [merge.lowerLayer, merge.upperLayer].sorted())
    #expect(after.reference(lower) == nil)
    #expect(try require(after.moments(upper)).first == (try require(before.moments(upper)).first))
    #expect(try require(after.moments(upper)).second == (try require(before.moments(upper)).second))
    #expect(after.parameterCount == before.parameterCount - 2 * 32 * 4)  // one B [32, 4] of each module type

    let golden = try GoldenRun(model: "bert-tiny", run: "lora")
    let further = try trained("aslora", steps: 12, aslora: (2, 6, 1)).state
    let adapters = further.adapters(sites: golden.geometry.sites, scale: 1, dropout: 0)
    let references = golden.geometry.sites.indices.filter {
      golden.geometry.sites[$0].module == module
        && [merge.lowerLayer, merge.upperLayer].contains(golden.geometry.sites[$0].layer)
    }.map { adapters[$0]?.b }
    #expect(references.count == 2 && references[0] == references[1])
    #expect(further[upper] != after[upper])
  }

  @Test(arguments: ["lora", "share-a", "share-b", "share-ab", "share-a-qkv", "aslora", "none"])
  func savedAdaptersGiveEqualOutputsAndSharing(strategy: String) throws {
    let trainer = try trained(strategy, aslora: strategy == "aslora" ? (2, 3, 1) : nil)
    let state = trainer.state
    let golden = try GoldenRun(model: "bert-tiny", run: "lora")
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("adapter-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let stored = StoredAdapter(
      table: state.table, tensors: Dictionary(uniqueKeysWithValues: state.table.tensors.map { ($0, state[$0]) }),
      head: Dictionary(
        uniqueKeysWithValues: state.head.enumerated().map {
          ($1.name, HeadTensor(shape: $1.shape, values: state[head: $0]))
        }),
      metadata: AdapterMetadata(
        baseModel: "bert-tiny", modelType: "bert", taskType: "SEQ_CLS", labels: ["0", "1"], loraAlpha: 8,
        loraDropout: 0, useRSLoRA: false, targetModules: ["query", "value"]))
    try AdapterFile.write(stored, to: directory)
    let read = try AdapterFile.read(directory, sites: golden.geometry.sites)
    #expect(read.table.tensors == state.table.tensors)
    #expect(read.table.sites.map(\.path) == state.table.sites.map(\.path))
    let bytes = try SafetensorsFile(path: directory + "/" + AdapterFile.tensorsName).names.count
    #expect(bytes == state.table.tensors.count + state.head.count)

    var loaded = TrainableState(table: read.table, head: state.head)
    for (key, values) in read.tensors { loaded[key] = values }
    for (index, parameter) in state.head.enumerated() {
      loaded[head: index] = try require(read.head[parameter.name]).values
    }
    let engine = golden.engine(), items = golden.data.items
    let ours = engine.evaluate(items, state: state).logits
    #expect(engine.evaluate(items, state: loaded).logits == ours)

    // The expanded form: every site with its own A and B, as plain LoRA.
    guard strategy != "none" else { return }
    let uniform = try read.expanded.uniform()
    var plain = TrainableState(table: uniform.table, head: state.head)
    for (key, values) in uniform.tensors { plain[key] = values }
    for index in state.head.indices { plain[head: index] = state[head: index] }
    #expect(engine.evaluate(items, state: plain).logits == ours)
  }

  @Test func baseMergedWithTheAdapterGivesEqualOutputs() throws {
    let state = try trained("share-ab").state
    let golden = try GoldenRun(model: "bert-tiny", run: "lora")
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("merged-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let base = GoldenRun.directory.appendingPathComponent("bert-tiny")
    try FileManager.default.copyItem(
      at: base.appendingPathComponent("config.json"), to: folder.appendingPathComponent("config.json"))
    let file = try SafetensorsFile(path: base.appendingPathComponent("model.safetensors").path)
    let merged = try file.names.map { name -> SafetensorsTensor in
      let tensor = try file.tensor(name)
      var values = tensor.floats()
      if let position = state.table.position(ofPath: name.replacingOccurrences(of: ".weight", with: "")) {
        let a = state[try require(state.table.key(.a, ofSiteAt: position))]
        let b = state[try require(state.table.key(.b, ofSiteAt: position))]
        for row in 0..<tensor.rows {
          for column in 0..<tensor.columns {
            for k in 0..<4 {
              values[row * tensor.columns + column] += 2 * b[row * 4 + k] * a[k * tensor.columns + column]
            }
          }
        }
      }
      return SafetensorsTensor(name: name, shape: tensor.shape, values)
    }
    try SafetensorsWriter.write(merged, to: folder.appendingPathComponent("model.safetensors").path)
    let config = try ModelConfig(directory: folder.path)
    let model = try LoadedClassifier(path: folder.path, config: config, labels: 2, philox: Philox(seed: 1)).model
    let bare = Engine(
      Classification(), model: .classifier(model), sites: golden.geometry.sites, scale: 1, pool: WorkerPool(threads: 1))
    var head = TrainableState(
      table: try SiteTable(sites: [], method: .headOnly, r: 4), head: state.head)
    for index in state.head.indices { head[head: index] = state[head: index] }
    let ours = golden.engine().evaluate(golden.data.items, state: state).logits.flatMap { $0 }
    let theirs = bare.evaluate(golden.data.items, state: head).logits.flatMap { $0 }
    #expect(zip(ours, theirs).allSatisfy { abs($0 - $1) < 1e-4 })
    #expect(
      ours != golden.engine().evaluate(golden.data.items, state: try freshWithHead(of: state)).logits.flatMap { $0 })
  }

  /// The same head with an adapter that does nothing: shows that the adapter does something.
  private func freshWithHead(of state: TrainableState) throws -> TrainableState {
    var fresh = TrainableState(table: state.table, head: state.head)
    for index in state.head.indices { fresh[head: index] = state[head: index] }
    return fresh
  }

  @Test(arguments: ["share-a", "share-b", "share-ab"])
  func withOneLayerSharingIsLoRA(strategy: String) throws {
    func one(_ strategy: String) throws -> [[Float]] {
      let golden = try GoldenRun(model: "bert-tiny", run: "lora")
      let sites = golden.table.sites.filter { $0.layer == 1 }
      let table = try SiteTable(sites: sites, method: AdapterMethod.named(strategy), r: 4)
      var state = TrainableState(
        table: table, head: HeadParameter.all(config: golden.classifier.model.config, labels: 2))
      try state.initializeAdapter(philox: Philox(seed: 9))
      for index in state.head.indices {
        state[head: index] = state.head[index].freshValues(philox: Philox(seed: 9), deviation: 0.02)
      }
      var trainer = Trainer(
        state: state, engine: golden.engine(), config: golden.config, train: golden.data, evaluationSets: [],
        procedure: nil, philox: Philox(seed: 9))
      _ = try trainer.run { _ in }
      return trainer.state.table.tensors.map { trainer.state[$0] }
        + trainer.state.head.indices.map { trainer.state[head: $0] }
    }
    #expect(try one(strategy) == one("lora"))
  }

  @Test(arguments: ["lora", "share-ab", "aslora"], [2, 3, 8])
  func resultsDoNotDependOnThreads(strategy: String, threads: Int) throws {
    let merges: (Int, Int, Int)? = strategy == "aslora" ? (2, 3, 1) : nil
    let one = try trained(strategy, aslora: merges, threads: 1)
    let many = try trained(strategy, aslora: merges, threads: threads)
    #expect(tensors(one.state) == tensors(many.state))
  }
}
