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

/// One job whose numbers PyTorch, transformers and peft computed (scripts/golden/decoders.py, families.py).
struct DecoderGoldenRun {
  static let directory = GoldenRun.directory.appendingPathComponent("decoders")
  /// The models of families.py, encoders too.
  static let families = GoldenRun.directory.appendingPathComponent("families")

  let name: String
  let expected: JSONNode
  let settings: JSONNode
  let path: String
  let modelConfig: ModelConfig
  let geometry: ModelGeometry
  let table: SiteTable
  let labels: Int?
  let scale: Double
  let data: EncodedDataset
  private let hasOwnStart: Bool
  let start: String
  let gradientFile: String

  /// `startModel` names the model whose start tensors the run begins with, where it has none of its own; `config` the
  /// folder of another config of the model.
  init(
    model: String, run: String, startModel: String? = nil, in directory: URL = Self.directory, config: String = "."
  ) throws {
    name = "\(model)/\(run)"
    let folder = directory.appendingPathComponent(model)
    path = folder.path
    expected = try GoldenRun.json(folder.appendingPathComponent("\(run).json"))
    settings = try require(expected["settings"])
    modelConfig = try ModelConfig(directory: folder.appendingPathComponent(config).path)
    geometry = ModelGeometry(modelConfig)
    labels = settings["num_labels"]?.integer
    let rank = try require(settings["r"]?.integer)
    scale = loraScale(alpha: try require(settings["lora_alpha"]?.number), rank: rank, useRSLoRA: false)
    let targets = try require(settings["target_modules"]?.array).compactMap(\.string)
    table = try SiteTable(
      sites: TargetSelection(targets).select(from: geometry.sites),
      method: AdapterMethod.named(try require(settings["strategy"]?.string)), r: rank)
    let rows = try require(GoldenRun.json(directory.appendingPathComponent("data.json"))["train"]?.array)
    let label = labels.map { $0 == 2 ? "label_of_2" : "label" }, hasTypes = modelConfig.typeVocabularySize > 1
    data = EncodedDataset(
      items: try rows.map { row in
        let ids = try require(row["input_ids"]?.array).compactMap { $0.integer.map(Int32.init) }
        if let label {
          let types = try hasTypes ? require(row["token_type_ids"]?.array).compactMap(\.integer) : ids.map { _ in 0 }
          return EncodedDataset.Item(
            ids: ids, typeIDs: types.map(Int32.init), label: .classIndex(try require(row[label]?.integer)))
        }
        let answer = try require(row["answer"]?.integer)
        return EncodedDataset.Item(prompt: Array(ids[..<answer]), answer: Array(ids[answer...]))
      })
    let starting = directory.appendingPathComponent(startModel ?? model)
    hasOwnStart = startModel == nil
    start = starting.appendingPathComponent("\(run).start.safetensors").path
    gradientFile = folder.appendingPathComponent("\(run).gradients.safetensors").path
  }

  /// What the golden files call a tensor: PEFT's name without `base_model.model.model`, which is not all that stands
  /// before Gemma 3's layers.
  func goldenName(_ name: String) -> String {
    let prefix = geometry.basePrefix.split(separator: ".").dropFirst()
    return name.hasPrefix("layers.") ? (prefix.map(String.init) + [name]).joined(separator: ".") : name
  }

  func state() throws -> TrainableState {
    let head = labels.map { HeadParameter.all(config: modelConfig, labels: $0) } ?? []
    var state = TrainableState(table: table, head: head)
    let file = try SafetensorsFile(path: start)
    for key in table.tensors { state[key] = try file.tensor(goldenName(table.name(of: key))).floats() }
    // A checkpoint in bfloat16 has its own, rounded head.
    let heads = hasOwnStart ? file : try SafetensorsFile(path: path + "/model.safetensors")
    for (index, parameter) in head.enumerated() { state[head: index] = try heads.tensor(parameter.name).floats() }
    return state
  }

  func engine(threads: Int = 1, precision: Precision = .float32, recomputes: Bool = false) throws -> Engine {
    let objective: any Objective, model: ObjectiveModel
    if let labels {
      objective = Classification(classes: labels)
      model = .classifier(
        try LoadedClassifier(
          path: path, config: modelConfig, labels: labels, philox: Philox(seed: 1), precision: precision
        ).model)
    } else {
      objective = LanguageModelling()
      model = .language(try LanguageModel(path: path, config: modelConfig, precision: precision))
    }
    return Engine(
      objective, model: model, sites: geometry.sites, scale: scale,
      labelSmoothing: settings["label_smoothing_factor"]?.number ?? 0, pool: WorkerPool(threads: threads),
      precision: precision, recomputes: recomputes)
  }

  /// The gradient of the first batch.
  func gradients(threads: Int = 1, precision: Precision = .float32, recomputes: Bool = false) throws
    -> (gradients: FloatStorage, result: BatchResult)
  {
    let state = try state(), gradients = FloatStorage(zeros: state.parameterCount)
    let result = try engine(threads: threads, precision: precision, recomputes: recomputes).gradients(
      of: Array(data.items.prefix(8)), state: state, dropout: nil, into: gradients)
    return (gradients, result)
  }

  /// Logits of the first example, token by token.
  func firstLogits() throws -> [Float] {
    let model = try LanguageModel(path: path, config: modelConfig), state = try state()
    let tape = Tape(workspace: Workspace(), parameters: state.values)
    let tokens = PackedTokens([(data.items[0].ids, [])], examples: [0])
    let context = ForwardContext(
      tape: tape, adapters: state.adapters(sites: geometry.sites, scale: scale, dropout: 0), head: [])
    let states = model.decoder.states(tokens, onlyLast: false, context)
    return model.logits(states, tape).values
  }

  func trainer(threads: Int = 1, precision: Precision = .float32) throws -> Trainer {
    let merging = try settings["aslora"].map { options in
      try mergingProcedure(
        ASLoRAOptions(
          startStep: options["start_step"]?.integer, mergeInterval: options["merge_interval"]?.integer,
          numMerges: options["num_merges"]?.integer, candidates: .adjacent), table, totalSteps: 30)
    }
    return Trainer(
      state: try state(), engine: try engine(threads: threads, precision: precision),
      config: try TrainingConfig(golden: settings), train: data,
      evaluationSets: [],
      procedure: merging, philox: Philox(seed: 1))
  }
}
