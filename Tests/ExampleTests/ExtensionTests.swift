// A model family, a method, a task and a metric that no target knows, each a value made of public names.
import Adapters
import Algorithms
import Checkpoints
import Configuration
import Foundation
import Metrics
import Models
import StrictJSON
import Tasks
import Testing
import Training

/// A decoder with RMS norms that store their weight less 1, scaled embeddings, learned positions and a plain feed-forward
/// block.
private let toyFamily = Architecture.decoder(
  modelType: "toy", basePrefix: "model", classifierClass: "ToyForSequenceClassification",
  languageModelClass: "ToyForCausalLM", defaultTargets: ["q", "v", "up"],
  read: { config, design, fields in
    config.vocabularySize = fields.integer("vocab_size", 64, in: 1...1 << 20)
    config.hiddenSize = fields.integer("width", 16, in: 1...1 << 12)
    config.layers = fields.integer("depth", 2, in: 1...64)
    config.heads = fields.integer("heads", 2, in: 1...64)
    (config.keyValueHeads, config.headSize) = (config.heads, config.hiddenSize / config.heads)
    config.intermediateSize = 2 * config.hiddenSize
    config.maxPositions = fields.integer("positions", 64, in: 1...1 << 20)
    config.normEpsilon = 1e-6
    config.eosTokenIDs = [0]
    (design.tokens, design.positions, design.stack) = ("embed", "places", "blocks")
    design.embeddingScale = Float(config.hiddenSize).squareRoot()
    (design.norm, design.attentionNorm, design.feedForwardNorm) = (.rms(offset: 1), "n1", "n2")
    design.attention = .separate(query: "q", key: "k", value: "v")
    (design.attentionOutput, design.scoreScale) = ("o", 0.3)
    design.feedForward = .plain(up: "up", down: "down")
  })

/// One fixed A for all layers, a B for each map, and two vectors a map: d scales the rows of A, g the map's outputs.
private let toyMethod: AdapterMethod = {
  let d = TensorRole("d"), g = TensorRole("g")
  let form = ProductForm(
    scalesRows: true,
    build: { tensors in
      let inputs = tensors.site.inFeatures
      let a = tensors[.a].enumerated().map { $1 * tensors[d][$0 / inputs] }
      return SiteProduct(rank: tensors.rank, a: a, b: tensors[.b], rowScale: tensors[g])
    },
    pullBack: { tensors, gradient in
      let inputs = tensors.site.inFeatures
      let ofD = (0..<tensors.rank).map { row in
        zip(gradient.a, tensors[.a])[row * inputs, inputs].reduce(0) { $0 + $1.0 * $1.1 }
      }
      return [.b: gradient.b, d: ofD, g: gradient.rowScale ?? []]
    })
  let procedure = MethodProcedureKind(
    begin: { _, _, _ in StepCounter() },
    resume: { stored, _, _ in stored.fields["toy_steps"]?.integer.map { StepCounter(steps: $0) } })
  return AdapterMethod(
    name: "toy-scales", summary: "one fixed A, a B and two vectors a map", form: form, procedure: procedure
  ) { site, rank in
    [
      .a(site, rank, layer: nil, trains: false), .b(site, rank), .vector(d, site, count: rank, start: .constant(1)),
      .vector(g, site, count: site.outFeatures, start: .constant(1)),
    ]
  }
}()

/// LoRA whose product has every row of A and every column of B twice: of rank 2 r.
private let toyTwice = AdapterMethod(
  name: "toy-twice", summary: "LoRA, twice",
  form: ProductForm(
    rank: { 2 * $0 },
    build: { tensors in
      let rows = tensors[.b].chunks(ofCount: tensors.rank)
      return SiteProduct(
        rank: 2 * tensors.rank, a: tensors[.a] + tensors[.a], b: rows.flatMap { Array($0) + Array($0) })
    },
    pullBack: { tensors, gradient in
      let half = gradient.a.count / 2
      let rows = gradient.b.chunks(ofCount: 2 * tensors.rank)
      return [
        .a: zip(gradient.a.prefix(half), gradient.a.suffix(half)).map { $0 + $1 },
        .b: rows.flatMap { zip($0.prefix(tensors.rank), $0.suffix(tensors.rank)).map { $0 + $1 } },
      ]
    })
) { site, rank in [.a(site, rank), .b(site, rank)] }

/// What the method does between two steps: it counts them.
private struct StepCounter: MethodProcedure {
  var steps = 0

  mutating func afterStep(_ state: inout TrainableState, wasApplied: Bool) -> [ProcedureEvent] {
    steps += 1
    return []
  }

  var checkpoint: ProcedureCheckpoint { ProcedureCheckpoint(fields: [("toy_steps", .integer(steps))]) }
}

/// Lines `label | text`.
private let toyTask = Task.classification(
  "bars", summary: "lines of a label, a bar and a text", files: [.train: ["train.txt"], .validation: ["dev.txt"]],
  labels: .classes(["bad", "good"]), metrics: [toyMetric, .accuracy]
) { path, _ in
  try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").enumerated().map { number, line in
    let parts = line.split(separator: "|", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
    guard parts.count == 2, let label = ["bad", "good"].firstIndex(of: parts[0]) else {
      throw TaskError.badRecord(file: path, line: number + 1, problem: "must be a label, a bar and a text")
    }
    return Example(text: parts[1], label: .classIndex(label), line: number + 1)
  }
}

/// The share of wrong answers.
private let toyMetric = Metric("error_rate", greaterIsBetter: false, needs: .classes) { predictions in
  let pairs = predictions.classes
  return pairs.isEmpty ? 0 : Double(pairs.count { $0.predicted != $0.label }) / Double(pairs.count)
}

private let catalog = Catalog(
  architectures: Architecture.all + [toyFamily], methods: AdapterMethod.all + [toyMethod, toyTwice],
  tasks: Task.all + [toyTask],
  metrics: Metric.all + [toyMetric])

extension Zip2Sequence {
  fileprivate subscript(start: Int, count: Int) -> [Element] { Array(dropFirst(start).prefix(count)) }
}

@Suite struct ExtensionTests {
  /// A directory with a model of the family, its tokenizer, and the task's files.
  private func scratch() throws -> String {
    let path = NSTemporaryDirectory() + "swift-peft-own-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: "\(path)/model", withIntermediateDirectories: true)
    let tokenizer = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("TrainingTests/Golden/bert-tiny/tokenizer.json").path
    try FileManager.default.copyItem(atPath: tokenizer, toPath: "\(path)/model/tokenizer.json")
    try Data(#"{"model_type": "toy", "vocab_size": 1200, "positions": 32}"#.utf8)
      .write(to: URL(fileURLWithPath: "\(path)/model/config.json"))
    let geometry = ModelGeometry(
      try ModelConfig(directory: "\(path)/model", architectures: catalog.architectures))
    var seed: UInt64 = 1
    let tensors = geometry.parts.flatMap(\.namedTensors).map { name, shape in
      let values = (0..<shape.reduce(1, *)).map { _ in
        seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Float(Int64(bitPattern: seed) >> 40) / Float(1 << 23) * 0.2
      }
      return SafetensorsTensor(name: "model.\(name)", shape: shape, values)
    }
    try SafetensorsWriter.write(tensors, to: "\(path)/model/model.safetensors")
    let rows = "good | a fine film\nbad | a dull film\n"
    for (name, text) in ["train.txt": String(repeating: rows, count: 12), "dev.txt": rows] {
      try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    }
    return path
  }

  private func config(_ path: String, output: String = "run") throws -> RunConfig {
    try RunConfig.load(
      text: """
        {"model": "\(path)/model", "task": {"name": "bars", "data_dir": "\(path)", "max_seq_length": 16},
         "adapter": {"strategy": "toy-scales", "r": 3, "lora_alpha": 6, "target_modules": ["q", "v", "up"]},
         "training": {"num_train_epochs": 4, "train_batch_size": 6, "learning_rate": 1e-2, "save_steps": 3,
           "metric_for_best_model": "error_rate", "load_best_model_at_end": true},
         "output_dir": "\(path)/\(output)", "database": "\(path)/runs.sqlite"}
        """, catalog: catalog)
  }

  @Test func trainsSavesResumesEvaluatesAndFolds() throws {
    let path = try scratch()
    defer { try? FileManager.default.removeItem(atPath: path) }

    var whole = try TrainingRun(config(path, output: "whole"), threads: 2, start: .fresh)
    let start = whole.trainer.state
    var losses: [Double] = []
    _ = try whole.execute { if case .step(let step) = $0 { losses.append(step.loss) } }
    #expect(losses.count == 16 && losses[15] < losses[0])
    for key in start.table.tensors {
      #expect((start[key] != whole.trainer.state[key]) == (key.role != .a), "\(key)")
    }

    // Stopped and resumed, at another number of threads, it ends with the same bytes.
    let config = try config(path)
    var steps = 0
    var first = try TrainingRun(config, threads: 1, start: .fresh)
    #expect(try first.execute(shouldStop: { steps == 5 }) { if case .step = $0 { steps += 1 } }.wasInterrupted)
    var rest = try TrainingRun(config, threads: 2, start: .resume)
    let summary = try rest.execute { _ in }
    #expect(rest.firstStep == 5 && !summary.wasInterrupted)
    #expect((rest.trainer.snapshot().procedure as? StepCounter)?.steps == 16)
    for file in ["adapter_model.safetensors", "eval_results.json"] {
      let one = FileManager.default.contents(atPath: "\(path)/whole/\(file)")
      #expect(one != nil && one == FileManager.default.contents(atPath: "\(path)/run/\(file)"), "\(file)")
    }

    let run = try RunDirectory(config.outputDir, catalog: catalog)
    let saved = try RunConfig.load(path: run.configPath, catalog: catalog)
    #expect(saved == config)
    let scoring = try ScoringRun(saved, adapterDirectory: run.adapterPath, threads: 1)
    let report = scoring.score(.validation, try scoring.run.load(.validation))
    #expect(report.metrics.map(\.name) == ["error_rate", "accuracy", "loss"])
    #expect(report.metrics == summary.reports.first?.metrics)
    let texts = try scoring.read(PredictionInput(bytes: Array("a fine film\nanother".utf8), name: "texts"))
    let table = PredictionTable(labels: try #require(texts.answers))
    let names = try scoring.logits(scoring.run.encode(texts).items).map(table.prediction)
    #expect(names.count == 2 && names.allSatisfy(["bad", "good"].contains))

    let fold = try FoldRun(AdaptedModel(run: run, config: saved))
    try fold.write(to: "\(path)/folded", overwrite: false)
    let difference = try #require(try fold.difference(at: "\(path)/folded"))
    #expect(difference.largestLogit > 0.01 && difference.largest < 1e-5 * difference.largestLogit, "\(difference)")
    let folded = try ModelConfig(directory: "\(path)/folded", architectures: catalog.architectures)
    #expect(folded.labels == ["bad", "good"])
  }

  @Test func adapterFilesKeepEveryTensor() throws {
    let path = try scratch()
    defer { try? FileManager.default.removeItem(atPath: path) }
    var run = try TrainingRun(config(path), threads: 2, start: .fresh)
    _ = try run.execute { _ in }
    let stored = try AdapterFile.read(
      "\(path)/run", sites: run.run.geometry.sites, methods: catalog.methods)
    #expect(stored.table.tensors.map { stored.tensors[$0] } == stored.table.tensors.map { run.trainer.state[$0] })
    #expect(Set(stored.table.tensors.map(\.role.name)) == ["A", "B", "d", "g"])
    #expect(stored.table.parameterCount == run.parameters.adapter)
  }

  @Test func startsFromItsOwnKindOnly() throws {
    let path = try scratch()
    defer { try? FileManager.default.removeItem(atPath: path) }
    var run = try TrainingRun(config(path), threads: 2, start: .fresh)
    _ = try run.execute { _ in }
    var next = try config(path, output: "next")
    next.adapter.initFrom = "\(path)/run"
    let begun = try TrainingRun(next, threads: 1, start: .fresh).trainer.state
    #expect(begun.table.tensors.allSatisfy { begun[$0] == run.trainer.state[$0] })
    next.adapter.r = 2
    let rank = #expect(throws: AdapterError.self) { try TrainingRun(next, threads: 1, start: .fresh) }
    #expect(rank == .rankDiffers(path: "blocks.0.q", adapter: 3, config: 2))
    (next.adapter.r, next.adapter.strategy) = (3, "lora")
    let plain = #expect(throws: AdapterError.self) { try TrainingRun(next, threads: 1, start: .fresh) }
    #expect(
      plain?.description
        == "adapter.init_from: the adapter changes blocks.0.q by more than A and B, which lora cannot do")
  }

  /// PEFT divides alpha by the rank that it reads, which is not the run's r.
  @Test func anExportKeepsTheScale() throws {
    let path = try scratch()
    defer { try? FileManager.default.removeItem(atPath: path) }
    var config = try config(path)
    (config.adapter.strategy, config.training.maxSteps) = ("toy-twice", 2)
    var run = try TrainingRun(config, threads: 2, start: .fresh)
    _ = try run.execute { _ in }
    let geometry = run.run.geometry
    let stored = try AdapterFile.read("\(path)/run", sites: geometry.sites, methods: catalog.methods)
    let directory = "\(path)/peft"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    try PEFTExport(stored, geometry: geometry).write(to: directory)
    let read = try PEFTAdapter.read(directory, geometry: geometry).expanded
    #expect(try read.entries == stored.expanded.entries)
    #expect(read.entries.allSatisfy { $0.rank == 6 && $0.scale == 2 })
  }

  /// Which metric ranks states is for training alone.
  @Test func aFinishedRunIsScoredWhateverRankedItsStates() throws {
    let path = try scratch()
    defer { try? FileManager.default.removeItem(atPath: path) }
    var config = try config(path)
    config.training.maxSteps = 2
    var run = try TrainingRun(config, threads: 2, start: .fresh)
    _ = try run.execute { _ in }
    config.training.metricForBestModel = "f1"
    #expect(throws: (any Error).self) { try TrainingRun(config, threads: 1, start: .overwrite) }
    let scoring = try ScoringRun(config, adapterDirectory: "\(path)/run", threads: 1)
    #expect(scoring.score(.validation, try scoring.run.load(.validation)).metrics.count == 3)
  }

  @Test func theCommandLineDoesNotKnowThem() throws {
    let path = try scratch()
    defer { try? FileManager.default.removeItem(atPath: path) }
    #expect(throws: (any Error).self) { try ModelConfig(directory: "\(path)/model") }
    #expect(throws: (any Error).self) { try AdapterMethod.named("toy-scales") }
    let text = #"{"model": "m", "task": {"name": "bars", "data_dir": "d"}}"#
    #expect(throws: (any Error).self) { try RunConfig.load(text: text) }
    #expect(try RunConfig.load(text: text, catalog: catalog).rankingMetric == .loss)
    #expect(RunConfig.schemaText(catalog).contains("\"bars\"") && !RunConfig.schemaText().contains("\"bars\""))
  }

  @Test func theTasksErrorsNameTheLine() throws {
    let path = try scratch()
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Data("good | a\nno bar\n".utf8).write(to: URL(fileURLWithPath: "\(path)/train.txt"))
    let error = #expect(throws: TaskError.self) { try TrainingRun(config(path), threads: 1, start: .fresh) }
    #expect(error?.description == "\(path)/train.txt:2: must be a label, a bar and a text")
  }
}
