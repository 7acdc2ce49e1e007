import Autograd
import Checkpoints
import Configuration
import Foundation
import Kernels
import Models
import StrictJSON
import Tasks

@testable import Adapters
@testable import Training

/// One run of peft's own model, optimiser and file (scripts/golden/zoo.py), which ours begins with.
struct ZooGoldenRun {
  static let directory = GoldenRun.directory.appendingPathComponent("zoo")

  /// Whether the golden files are there.
  static var exist: Bool { FileManager.default.fileExists(atPath: directory.path) }

  let name: String
  let expected: JSONNode
  let folder: URL
  let geometry: ModelGeometry
  let isDecoder: Bool
  private let settings: JSONNode
  private let modelPath: String
  private let labels: Int?
  private let source: AdapterSource
  private let table: SiteTable

  init(model: String, run: String) throws {
    name = "\(model)/\(run)"
    folder = Self.directory.appendingPathComponent(name)
    expected = try GoldenRun.json(folder.appendingPathComponent("run.json"))
    settings = try require(expected["settings"])
    labels = settings["num_labels"]?.integer
    isDecoder = labels == nil
    modelPath = (isDecoder ? DecoderGoldenRun.directory : GoldenRun.directory).appendingPathComponent(model).path
    geometry = ModelGeometry(try ModelConfig(directory: modelPath))
    source = try AdapterSource.read(folder.path, geometry, modelDirectory: modelPath)
    let read = try source.content().table
    table = try SiteTable(
      sites: read.sites, method: Self.method(settings, expected, read.method), r: read.rank, scale: read.scale,
      ranks: read.ranks, scales: read.scales, ranksAreBounded: false)
  }

  /// The method of the file, with what a file does not say: which tensors train, and how fast.
  private static func method(
    _ settings: JSONNode, _ expected: JSONNode, _ stored: AdapterMethod
  ) throws -> AdapterMethod {
    var method = stored
    if settings["init_lora_weights"]?.string == "mica" {
      var additions = MethodAdditions()
      additions.start = .mica
      method = method.with(additions)
    }
    if expected["optimizer"]?.string == "lorafa" { method = .loraFA }
    if expected["optimizer"]?.string == "loraplus" {
      method = method.withLoRAPlus(ratio: try require(settings["loraplus_lr_ratio"]?.number))
    }
    return method
  }

  /// As peft's file has it.
  func state() throws -> TrainableState {
    let head = labels.map { HeadParameter.all(config: geometry.config, labels: $0) } ?? []
    var state = TrainableState(table: table, head: head, weights: source.weights)
    let tensors = try source.content().tensors
    for key in table.tensors { state[key] = try require(tensors[key]) }
    for (index, parameter) in head.enumerated() {
      state[head: index] = try require(source.expanded.head[parameter.name]).values
    }
    return state
  }

  /// PEFT's name of every trained tensor, with its place.
  func trained(_ state: TrainableState) throws -> [(name: String, place: ParameterReference)] {
    let form = table.method.design.peft
    var named = try table.tensors.filter { table.tensor($0).trains }.map { key in
      let site = table.sites[try require(table.firstUser(of: key))], path = "\(geometry.basePrefix).\(site.path)"
      let file = form?.tensor(key.role)?.fileName(path)
      return (file ?? "\(PEFTForm.modulePrefix)\(path).\(key.role.fileName)", try require(state.reference(key)))
    }
    named += zip(state.head, state.headReferences).map { (PEFTForm.modulePrefix + $0.name, $1) }
    return named
  }

  private func data() throws -> EncodedDataset {
    let file = URL(fileURLWithPath: labels == nil ? DecoderGoldenRun.directory.path : modelPath)
    let rows = try require(GoldenRun.json(file.appendingPathComponent("data.json"))["train"]?.array)
    return EncodedDataset(
      items: try rows.map { row in
        let ids = try require(row["input_ids"]?.array).compactMap { $0.integer.map(Int32.init) }
        guard labels != nil else {
          let answer = try require(row["answer"]?.integer)
          return EncodedDataset.Item(prompt: Array(ids[..<answer]), answer: Array(ids[answer...]))
        }
        let types = try require(row["token_type_ids"]?.array).compactMap { $0.integer.map(Int32.init) }
        return EncodedDataset.Item(
          ids: ids, typeIDs: types, label: .classIndex(try require(row["label"]?.integer)))
      })
  }

  func engine() throws -> Engine {
    let objective: any Objective, model: ObjectiveModel
    if let labels {
      objective = Classification(classes: labels)
      model = .classifier(
        try LoadedClassifier(path: modelPath, config: geometry.config, labels: labels, philox: Philox(seed: 1)).model)
    } else {
      objective = LanguageModelling()
      model = .language(try LanguageModel(path: modelPath, config: geometry.config))
    }
    return Engine(
      objective, model: model, sites: geometry.sites, scale: table.scale,
      labelSmoothing: settings["label_smoothing_factor"]?.number ?? 0, pool: WorkerPool(threads: 2))
  }

  /// Logits of the first example, token by token.
  func firstLogits(_ state: TrainableState) throws -> [Float] {
    let model = try LanguageModel(path: modelPath, config: geometry.config),
      tape = Tape(
        workspace: Workspace(), parameters: state.values)
    let tokens = PackedTokens([(try data().items[0].ids, [])], examples: [0])
    let context = ForwardContext(
      tape: tape, adapters: state.adapters(sites: geometry.sites, scale: table.scale, dropout: 0), head: [])
    return model.logits(model.decoder.states(tokens, onlyLast: false, context), tape).values
  }

  /// The first batch.
  func batch() throws -> [EncodedDataset.Item] {
    Array(try data().items.prefix(try require(settings["gradient_batch"]?.integer)))
  }

  func trainer() throws -> Trainer {
    return Trainer(
      state: try state(), engine: try engine(), config: try TrainingConfig(golden: settings), train: try data(),
      evaluationSets: [], procedure: nil,
      philox: Philox(seed: 1))
  }
}
