import Adapters
import Autograd
import Checkpoints
import Configuration
import Foundation
import Kernels
import Metrics
import Models
import StrictJSON
import Tasks

@testable import Training

/// One job whose numbers PyTorch, transformers and peft computed (scripts/golden/models.py), set up in our engine.
struct GoldenRun {
  static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden")

  let name: String
  let expected: JSONNode
  let config: TrainingConfig
  let table: SiteTable
  let classifier: LoadedClassifier
  let geometry: ModelGeometry
  let data: EncodedDataset
  let labels: Int
  let scale: Double

  /// `other` has other settings and results, for the same start.
  init(model: String, run: String, checkpoint: String? = nil, threads: Int = 1, settings other: URL? = nil) throws {
    name = "\(model)/\(run)"
    let folder = Self.directory.appendingPathComponent(model)
    expected = try Self.json(other ?? folder.appendingPathComponent("\(run).json"))
    let settings = try require(expected["settings"])
    let modelConfig = try ModelConfig(directory: folder.path)
    geometry = ModelGeometry(modelConfig)
    labels = try require(settings["num_labels"]?.integer)
    let rank = try require(settings["r"]?.integer)
    scale = loraScale(
      alpha: try require(settings["lora_alpha"]?.number), rank: rank,
      useRSLoRA: try require(settings["use_rslora"]?.bool))
    let strategy = try AdapterMethod.named(try require(settings["strategy"]?.string))
    let targets = try require(settings["target_modules"]?.array).compactMap(\.string)
    let sites = strategy.hasAdapters ? try TargetSelection(targets).select(from: geometry.sites) : []
    table = try SiteTable(sites: sites, method: strategy, r: rank)
    classifier = try LoadedClassifier(
      path: Self.directory.appendingPathComponent(checkpoint ?? model).path, config: modelConfig, labels: labels,
      philox: Philox(seed: 1))
    data = try Self.items(
      folder.appendingPathComponent("data.json"), target: try require(settings["target"]?.string),
      sets: expected["label_sets"]?.array)
    config = try TrainingConfig(golden: settings)
    self.threads = threads
    start = folder.appendingPathComponent("\(Self.startName(run)).start.safetensors").path
    gradients = folder.appendingPathComponent("\(run).gradients.safetensors").path
    final = folder.appendingPathComponent("\(run).final.safetensors").path
  }

  let threads: Int
  let start: String
  let gradients: String
  let final: String

  /// Variants of a run that begin as the run does.
  private static func startName(_ run: String) -> String {
    switch run {
    case "lora-accumulated", "lora-uneven", "lora-rslora": "lora"
    case "aslora-all": "aslora"
    default: run
    }
  }

  func state() throws -> TrainableState {
    let head = HeadParameter.all(config: classifier.model.config, labels: labels)
    var state = TrainableState(table: table, head: head)
    let file = try SafetensorsFile(path: start)
    for key in table.tensors { state[key] = try file.tensor(table.name(of: key)).floats() }
    for (index, parameter) in head.enumerated() { state[head: index] = try file.tensor(parameter.name).floats() }
    return state
  }

  func engine(_ other: (any Objective)? = nil, labelSmoothing: Double = 0) -> Engine {
    let objective: any Objective = labels == 1 ? Regression() : Classification(classes: labels)
    return Engine(
      other ?? objective, model: .classifier(classifier.model), sites: geometry.sites, scale: scale,
      labelSmoothing: labelSmoothing, pool: WorkerPool(threads: threads))
  }

  func trainer(_ engine: Engine? = nil) throws -> Trainer {
    var plan: (any MethodProcedure)?
    if let options = expected["settings"]?["aslora"] {
      plan = try mergingProcedure(
        ASLoRAOptions(
          startStep: options["start_step"]?.integer, mergeInterval: options["merge_interval"]?.integer,
          numMerges: options["num_merges"]?.integer,
          candidates: options["candidates"]?.string == "all" ? .all : .adjacent), table, totalSteps: 30)
    }
    return Trainer(
      state: try state(), engine: engine ?? self.engine(), config: config, train: data, evaluationSets: [],
      procedure: plan, philox: Philox(seed: 1))
  }

  static func json(_ url: URL) throws -> JSONNode {
    try JSONParser.parse(Array(Data(contentsOf: url)), file: url.lastPathComponent)
  }

  private static func items(_ url: URL, target: String, sets: [JSONNode]?) throws -> EncodedDataset {
    let rows = try require(json(url)["train"]?.array)
    return EncodedDataset(
      items: try rows.enumerated().map { index, row in
        let label = try require(row[target]), set = sets?[index].array?.compactMap(\.integer)
        return EncodedDataset.Item(
          ids: try require(row["input_ids"]?.array).compactMap { $0.integer.map(Int32.init) },
          typeIDs: try require(row["token_type_ids"]?.array).compactMap { $0.integer.map(Int32.init) },
          label: try set.map(Label.classSet)
            ?? (target == "target"
              ? .score(Float(try require(label.number))) : .classIndex(try require(label.integer)))
        )
      })
  }
}

extension TrainingConfig {
  /// The settings that a golden run was made with.
  init(golden settings: JSONNode) throws {
    self.init()
    numTrainEpochs = try require(settings["num_train_epochs"]?.number)
    trainBatchSize = try require(settings["train_batch_size"]?.integer)
    gradientAccumulationSteps = settings["gradient_accumulation_steps"]?.integer ?? 1
    learningRate = try require(settings["learning_rate"]?.number)
    weightDecay = try require(settings["weight_decay"]?.number)
    maxGradNorm = try require(settings["max_grad_norm"]?.number)
    warmupRatio = try require(settings["warmup_ratio"]?.number)
    adamEpsilon = settings["adam_epsilon"]?.number ?? adamEpsilon
    (shuffle, evalStrategy, loggingSteps) = (false, .no, 1)
  }
}

struct MissingValue: Error {}

func require<Value>(_ value: Value?) throws -> Value {
  guard let value else { throw MissingValue() }
  return value
}

extension JSONNode {
  /// A list of numbers.
  var numbers: [Double] { array?.compactMap(\.number) ?? [] }
}
