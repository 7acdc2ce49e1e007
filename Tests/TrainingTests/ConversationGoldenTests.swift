import Adapters
import Checkpoints
import Configuration
import Foundation
import Kernels
import StrictJSON
import Testing

@testable import Tasks
@testable import Training

/// Conversations through a model's own chat template, against transformers and peft (scripts/golden/conversations.py).
@Suite struct ConversationGoldenTests {
  static let runs: [(run: String, threads: Int)] =
    ["all", "last", "everything", "accumulated", "share-a", "completions", "cut", "llama-3-all", "llama-3-last"]
    .map { ($0, 1) } + ["all", "accumulated", "llama-3-last"].map { ($0, 2) }

  // MARK: - Ids and targets

  /// `marked` is the same template with `{% generation %}`, which tells the targets by itself. `thinking` writes an
  /// answer in another way once a question follows it.
  @Test(arguments: [
    ("chatml", "model", ["conversations.jsonl", "completions.jsonl"]),
    ("chatml", "marked", ["conversations.jsonl", "completions.jsonl"]),
    ("chatml", "thinking", ["thoughts.jsonl"]), ("chatml", "thinking-marked", ["thoughts.jsonl"]),
    ("llama-3", "model", ["conversations.jsonl", "completions.jsonl"]),
  ])
  func idsAndTargetsAreThoseOfTransformers(model: String, template: String, files: [String]) throws {
    let expected = try ConversationGolden.json("\(model)/encodings")
    for file in files {
      let examples = try require(expected[file]?.array).map(Encoding.init)
      for loss in AssistantLoss.allCases {
        var task = ConversationGolden.task(file)
        (task.chatTemplate, task.assistantOnlyLoss) = (template, loss)
        let data = try ConversationGolden.prepared(model, task).load(.train)
        let name = "\(model) \(template) \(file) \(loss)"
        #expect(data.items.count == examples.count, "\(name)")
        for (number, (item, example)) in zip(data.items, examples).enumerated() {
          Self.check(item, example, loss, "\(name) \(number + 1)")
        }
        #expect(data.leftOut.count == 1, "\(data.leftOut)")
      }
    }
  }

  /// `max_seq_length` drops whole exchanges, the oldest first, and leaves out what does not fit even so, both aloud.
  @Test(arguments: ["model", "marked"]) func longConversationsLoseTheirOldestExchanges(template: String) throws {
    let expected = try ConversationGolden.json("chatml/encodings"), limits = try require(expected["limits"])
    let examples = try require(expected["cut"]?.array).map(Encoding.init)
    var task = ConversationGolden.task("conversations.jsonl")
    (task.chatTemplate, task.maxSeqLength) = (template, limits["max_seq_length"]?.integer)
    let data = try ConversationGolden.prepared("chatml", task).load(.train)
    #expect(data.items.count == examples.count)
    for (number, (item, example)) in zip(data.items, examples).enumerated() {
      Self.check(item, example, .all, "\(number + 1)")
    }
    let cut = try require(limits["cut"]?.integer), leftOut = try require(limits["left_out"]?.integer)
    #expect(data.leftOut.contains { $0.contains("cut the oldest turns of \(cut) conversations") }, "\(data.leftOut)")
    #expect(data.leftOut.contains { $0.contains("left out \(leftOut) conversations") }, "\(data.leftOut)")
    let length = try require(task.maxSeqLength)
    #expect(data.items.contains { $0.ids.count == length })
  }

  private static func check(
    _ item: EncodedDataset.Item, _ example: Encoding, _ loss: AssistantLoss, _ name: String
  ) {
    // Nothing learns from what stands behind the last target, and nothing predicts the first token.
    let targets =
      switch loss {
      case .all: example.answers
      case .last: Array(example.answers.suffix(1))
      case .everyToken: [1..<example.ids.count]
      }
    #expect(item.ids == Array(example.ids.prefix(targets.last?.upperBound ?? 0)), "\(name)")
    #expect(item.documents.map(\.targets) == [targets], "\(name)")
  }

  /// What `generate` gives the model is what stands before a completion.
  @Test(arguments: ["chatml", "llama-3"]) func promptsAreThoseOfTransformers(model: String) throws {
    let expected = try ConversationGolden.json("\(model)/encodings")
    let prompts = try require(expected["prompts"]?.array).map { $0.numbers.map { Int32($0) } }
    let task = ConversationGolden.task("completions.jsonl")
    let run = try ConversationGolden.prepared(model, task)
    let conversation = try require(run.task().prompts.encoder(run.encoder()).conversation)
    let file = try ConversationFile(
      Table(path: try require(task.trainFile?.first), style: TableStyle(format: nil, delimiter: nil), otherwise: .json))
    #expect(file.conversations.count == prompts.count)
    for (whole, prompt) in zip(file.conversations, prompts) {
      var asked = whole
      asked.messages = Array(whole.messages.prefix(whole.promptLength))
      #expect(try conversation(asked) == prompt)
    }
  }

  // MARK: - Losses

  @Test(arguments: runs) func thirtySteps(run: String, threads: Int) throws {
    let golden = try ConversationGolden(run, threads: threads)
    var trainer = try golden.trainer(golden.run.load(.train, toTrain: true))
    var losses: [Double] = [], norms: [Double] = []
    _ = try trainer.run { event in
      guard case .step(let report) = event else { return }
      losses.append(report.loss)
      norms.append(report.gradientNorm)
    }
    #expect(losses.count == 30)
    #expect(largestDifference(losses, golden.expected["losses"]?.numbers ?? []) < 1e-4, "\(run)")
    #expect(largestDifference(norms, golden.expected["grad_norms"]?.numbers ?? []) < 2e-3, "\(run)")
  }

  /// Several conversations in a row have the same loss and gradient as each in a row of its own.
  @Test(arguments: [("all", 1), ("all", 2), ("last", 1), ("everything", 2), ("completions", 1), ("llama-3-all", 2)])
  func packingChangesNeitherLossNorGradient(run: String, threads: Int) throws {
    let golden = try ConversationGolden(run, threads: threads)
    let packing = try ConversationGolden(run, packing: true, threads: threads)
    let alone = try golden.run.load(.train, toTrain: true), packed = try packing.run.load(.train, toTrain: true)
    #expect(packed.items.count < alone.items.count)
    let length = golden.run.maxLength
    #expect(packed.items.allSatisfy { $0.ids.count <= length })
    let expected = try require(golden.expected["start"]), loss = try require(expected["loss"]?.number)
    let (one, ones) = try golden.gradients(alone), (other, others) = try packing.gradients(packed)
    for (result, data) in [(one, alone), (other, packed)] {
      #expect(result.counts.reduce(0, +) == expected["targets"]?.integer, "\(run)")
      #expect(abs(result.meanLoss - loss) < 1e-5, "\(run) \(data.items.count)")
    }
    let largest = ones.map { Double(abs($0)) }.max() ?? 0
    #expect(largest > 0)
    #expect(largestDifference(others, ones.map(Double.init)) / largest < 1e-4, "\(run)")
  }

  /// Only what is trained on is packed: what scores a run reads one conversation after the other.
  @Test func whatIsScoredIsNotPacked() throws {
    let packing = try ConversationGolden("all", packing: true)
    #expect(try packing.run.load(.train).items.allSatisfy { $0.documents.count == 1 })
  }
}

/// A conversation as transformers tokenizes it.
private struct Encoding {
  let ids: [Int32]
  let answers: [Range<Int>]

  init(_ node: JSONNode) throws {
    ids = try require(node["input_ids"]?.array).compactMap { $0.integer.map(Int32.init) }
    answers = try require(node["answers"]?.array).map { span in
      let edges = span.array?.compactMap(\.integer) ?? []
      return try require(edges.first)..<(try require(edges.last))
    }
  }
}

/// One training on conversations whose numbers PyTorch computed.
private struct ConversationGolden {
  static let directory = GoldenRun.directory.appendingPathComponent("conversations")

  let expected: JSONNode
  let settings: JSONNode
  let run: PreparedRun

  init(_ name: String, packing: Bool = false, threads: Int = 1) throws {
    expected = try Self.json(name)
    settings = try require(expected["settings"])
    var task = Self.task(try require(settings["file"]?.string))
    task.maxSeqLength = settings["max_seq_length"]?.integer
    let loss = try require(settings["assistant_only_loss"])
    task.assistantOnlyLoss = try loss.string.map { try require(AssistantLoss(rawValue: $0)) } ?? .everyToken
    task.packing = packing
    run = try Self.prepared(try require(expected["model"]?.string), task, settings, threads: threads)
  }

  static func json(_ name: String) throws -> JSONNode {
    try GoldenRun.json(directory.appendingPathComponent("\(name).json"))
  }

  static func task(_ file: String) -> TaskConfig {
    var task = TaskConfig(name: "instruct")
    (task.trainFile, task.chatTemplate) = ([directory.appendingPathComponent(file).path], "model")
    return task
  }

  static func prepared(
    _ model: String, _ task: TaskConfig, _ settings: JSONNode? = nil, threads: Int = 1
  ) throws -> PreparedRun {
    var config = RunConfig(name: "conversations", model: directory.appendingPathComponent(model).path, task: task)
    config.adapter.strategy = settings?["strategy"]?.string ?? "lora"
    config.adapter.r = settings?["r"]?.integer ?? 4
    config.adapter.loraAlpha = settings?["lora_alpha"]?.number ?? 8
    config.adapter.targetModules = TargetModules.suffixes(["q_proj", "v_proj"])
    return try PreparedRun(config, threads: threads)
  }

  private func state() throws -> TrainableState {
    var state = TrainableState(table: run.table, head: [])
    let name = try require(settings["strategy"]?.string)
    let file = try SafetensorsFile(path: Self.directory.appendingPathComponent("\(name).start.safetensors").path)
    // The golden files name tensors as decoders.py does: peft's names without `base_model.model.model`.
    for key in run.table.tensors { state[key] = try file.tensor(run.table.name(of: key)).floats() }
    return state
  }

  func gradients(_ data: EncodedDataset) throws -> (result: BatchResult, values: [Float]) {
    let state = try state(), gradients = FloatStorage(zeros: state.parameterCount)
    let result = try run.engine(scale: run.scale).gradients(of: data.items, state: state, dropout: nil, into: gradients)
    return (result, Array(gradients[0..<state.parameterCount]))
  }

  func trainer(_ data: EncodedDataset) throws -> Trainer {
    return Trainer(
      state: try state(), engine: try run.engine(scale: run.scale), config: try TrainingConfig(golden: settings),
      train: data, evaluationSets: [],
      procedure: nil, philox: Philox(seed: 1))
  }
}
