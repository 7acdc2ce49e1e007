import Adapters
import Autograd
import Checkpoints
import Configuration
import Foundation
import Kernels
import Models
import StrictJSON
import Tasks

@testable import Training

/// A model with a head for tokens whose numbers PyTorch, transformers and peft computed (scripts/golden/token_heads.py).
struct TokenGoldenRun {
  static let directory = GoldenRun.directory.appendingPathComponent("tokens")

  let name: String
  let expected: JSONNode
  let settings: JSONNode
  let modelConfig: ModelConfig
  let geometry: ModelGeometry
  let table: SiteTable
  let labels: Int
  let scale: Double
  let data: EncodedDataset
  let weights: String

  init(_ model: String) throws {
    name = model
    let folder = Self.directory.appendingPathComponent(model)
    expected = try GoldenRun.json(folder.appendingPathComponent("lora.json"))
    settings = try require(expected["settings"])
    modelConfig = try ModelConfig(directory: folder.path)
    geometry = ModelGeometry(modelConfig, head: .tokens)
    weights = GoldenRun.directory.appendingPathComponent(try require(expected["source"]?.string)).path
    labels = try require(settings["num_labels"]?.integer)
    let rank = try require(settings["r"]?.integer)
    scale = loraScale(alpha: try require(settings["lora_alpha"]?.number), rank: rank, useRSLoRA: false)
    let targets = try require(settings["target_modules"]?.array).compactMap(\.string)
    table = try SiteTable(sites: TargetSelection(targets).select(from: geometry.sites), method: .lora, r: rank)
    let rows = try require(GoldenRun.json(Self.directory.appendingPathComponent("data.json"))["train"]?.array)
    let hasTypes = modelConfig.typeVocabularySize > 1
    data = EncodedDataset(items: try rows.enumerated().map { try Self.item($1, number: $0, hasTypes: hasTypes) })
  }

  private static func item(_ row: JSONNode, number: Int, hasTypes: Bool) throws -> EncodedDataset.Item {
    let ids = try require(row["input_ids"]?.array).compactMap { $0.integer.map(Int32.init) }
    let types = try require(row["token_type_ids"]?.array).compactMap { $0.integer.map(Int32.init) }
    let labels = try require(row["labels"]?.array).compactMap(\.integer)
    let places = labels.indices.filter { labels[$0] != -100 }
    return EncodedDataset.Item(
      ids: ids, typeIDs: hasTypes ? types : ids.map { _ in 0 },
      words: .init(
        sentence: number, numbers: Array(places.indices), places: places, tags: places.map { labels[$0] }))
  }

  func state() throws -> TrainableState {
    let folder = Self.directory.appendingPathComponent(name)
    let file = try SafetensorsFile(path: folder.appendingPathComponent("lora.start.safetensors").path)
    var state = TrainableState(
      table: table, head: HeadParameter.all(config: modelConfig, labels: labels, kind: .tokens))
    for key in table.tensors { state[key] = try file.tensor(table.name(of: key)).floats() }
    for (index, parameter) in state.head.enumerated() { state[head: index] = try file.tensor(parameter.name).floats() }
    return state
  }

  func engine(threads: Int = 1, precision: Precision = .float32, shardTokens: Int? = nil) throws -> Engine {
    let loaded = try LoadedTokenClassifier(path: weights, config: modelConfig, labels: labels, precision: precision)
    return Engine(
      TokenClassification(tags: (0..<labels).map(String.init)), model: .tokens(loaded.model), sites: geometry.sites,
      scale: scale, pool: WorkerPool(threads: threads), precision: precision, shardTokens: shardTokens)
  }

  /// The gradient of the first batch.
  func gradients(
    threads: Int = 1, precision: Precision = .float32
  ) throws -> (gradients: FloatStorage, result: BatchResult) {
    let state = try state(), gradients = FloatStorage(zeros: state.parameterCount)
    let result = try engine(threads: threads, precision: precision, shardTokens: 64).gradients(
      of: Array(data.items.prefix(8)), state: state, dropout: nil, into: gradients)
    return (gradients, result)
  }

  /// The losses and gradient norms of a whole training.
  func steps(accumulation: Int = 1, threads: Int = 1) throws -> (losses: [Double], norms: [Double]) {
    var config = try TrainingConfig(golden: settings)
    (config.trainBatchSize, config.gradientAccumulationSteps) = (config.trainBatchSize / accumulation, accumulation)
    var trainer = Trainer(
      state: try state(), engine: try engine(threads: threads), config: config, train: data, evaluationSets: [],
      procedure: nil, philox: Philox(seed: 1))
    var losses: [Double] = [], norms: [Double] = []
    _ = try trainer.run { event in
      guard case .step(let report) = event else { return }
      losses.append(report.loss)
      norms.append(report.gradientNorm)
    }
    return (losses, norms)
  }
}
