import Configuration
import Diagnostics
import Foundation
import Metrics
import StrictJSON
import Tasks
import Testing

@testable import Training

/// Questions with choices against transformers (scripts/golden/choices.py).
@Suite struct ChoiceTests {
  private static let golden = GoldenRun.directory.appendingPathComponent("choices")
  static let cases = (try? GoldenRun.json(golden.appendingPathComponent("scores.json")))?.array ?? []

  @Test func theCasesAreThere() { #expect(Self.cases.count == 10) }

  @Test(arguments: cases.indices) func likelihoodsAreThoseOfTransformers(number: Int) throws {
    let expected = Self.cases[number], questions = try require(expected["questions"]?.array)
    let model = try LongModel(try require(expected["model"]?.string))
    let task = try Self.task(expected)
    for threads in [1, 2] {
      let scoring = try ScoringRun(
        model.config(task), adapterDirectory: expected["peft"] == nil ? nil : model.adapter, threads: threads)
      let data = try scoring.run.load(.test), report = scoring.score(.test, data)
      #expect(data.items.map(\.label) == questions.map { .classIndex($0["answer"]?.integer ?? -1) })
      for (scores, question) in zip(report.logits, questions) {
        let numbers = question["scores"]?.numbers ?? []
        #expect(scores.count == numbers.count)
        for (score, number) in zip(scores, numbers) { #expect(abs(Double(score) - number) < 1e-4) }
        #expect(argmax(scores) == argmax(numbers.map(Float.init)))
      }
      #expect(report["accuracy"] == expected["accuracy"]?.number)
      #expect(report["accuracy_norm"] == expected["accuracy_norm"]?.number)
      let fewest = questions.compactMap { $0["shots"]?.integer }.min()
      let notices = try scoring.run.load(.test).leftOut
      #expect(notices.isEmpty == (fewest == task.numFewshot), "\(notices)")
    }
  }

  @Test(arguments: cases.indices) func promptsAreThose(number: Int) throws {
    let expected = Self.cases[number], task = try Self.task(expected)
    let file = try #require(task.testFile?.first)
    let group = try #require(
      ChoiceGroup.all(in: file, shots: task.numFewshot, shotsFile: task.fewshotFile).first)
    let style = try #require(task.choiceStyle.flatMap(ChoiceStyle.init))
    for (question, row) in zip(group.questions.questions, expected["questions"]?.array ?? []) {
      let shots = Array(group.shots.prefix(row["shots"]?.integer ?? 0))
      #expect(style.prompt(for: question, subject: group.questions.subject, shots: shots) == row["prompt"]?.string)
      #expect(style.lengths(of: question) == row["lengths"]?.array?.compactMap(\.integer))
    }
  }

  private static func task(_ expected: JSONNode) throws -> TaskConfig {
    var task = TaskConfig(name: "multiple-choice")
    task.testFile = [golden.appendingPathComponent(try require(expected["file"]?.string)).path]
    task.trainFile = task.testFile
    task.choiceStyle = expected["style"]?.string
    task.numFewshot = expected["shots"]?.integer
    task.maxSeqLength = try require(expected["length"]?.integer)
    return task
  }

  /// Letters after one prompt are scored in one pass: with the same result as each in a text of its own.
  @Test func aSharedPromptChangesNothing() throws {
    let model = try LongModel("llama-grouped")
    var task = TaskConfig(name: "multiple-choice")
    (task.testFile, task.maxSeqLength) = ([Self.golden.appendingPathComponent("test/old_films_test.csv").path], 512)
    task.trainFile = task.testFile
    let scoring = try ScoringRun(model.config(task), adapterDirectory: nil, threads: 2)
    let items = try scoring.run.load(.test).items
    let apart = try items.map { item in
      let target = try #require(item.choices?.sharedTarget)
      let shared = Array(item.ids.dropLast(4)), texts = item.ids.suffix(4).map { shared + [$0] }
      return EncodedDataset.Item(
        ids: texts.flatMap { $0 }, typeIDs: [], label: item.label,
        documents: texts.map { EncodedDataset.Item.Document(length: $0.count, targets: [target..<$0.count]) },
        choices: .init(lengths: [1, 1, 1, 1], sharedTarget: nil, number: 0))
    }
    for (one, other) in zip(scoring.logits(items), scoring.logits(apart)) {
      for (a, b) in zip(one, other) { #expect(abs(a - b) < 1e-5) }
    }
  }

  /// What is trained on is the right answer's tokens, and what is scored as loss is the same.
  @Test(arguments: ["letter", "text"]) func theLossIsThatOfTraining(style: String) throws {
    let model = try LongModel("llama-grouped")
    var task = TaskConfig(name: "multiple-choice")
    (task.trainFile, task.maxSeqLength) = ([Self.golden.appendingPathComponent("quiz.jsonl").path], 256)
    task.testFile = task.trainFile
    task.choiceStyle = style
    let scoring = try ScoringRun(model.config(task), adapterDirectory: nil, threads: 1)
    let toTrain = try scoring.run.load(.train, toTrain: true)
    #expect(toTrain.items.allSatisfy { $0.choices == nil && $0.targetCount > 0 })
    // This tokenizer makes two tokens of " A".
    if style == "letter" { #expect(toTrain.items.allSatisfy { $0.targetCount == 2 }) }
    let trained = scoring.score(.train, toTrain), scored = scoring.score(.train, try scoring.run.load(.train))
    #expect(abs((trained["loss"] ?? .nan) - (scored["loss"] ?? .nan)) < 1e-5)
  }

  @Test func questionsTooLongAreLeftOutAloud() throws {
    let model = try LongModel("llama-grouped")
    var task = TaskConfig(name: "multiple-choice")
    (task.testFile, task.maxSeqLength) = ([Self.golden.appendingPathComponent("test/old_films_test.csv").path], 125)
    task.numFewshot = 2
    task.trainFile = task.testFile
    let run = try ScoringRun(model.config(task), adapterDirectory: nil, threads: 1).run
    let data = try run.load(.test)
    let numbers = data.items.compactMap { $0.choices?.number }
    #expect(numbers.count < 5 && numbers.contains(1) && !numbers.contains(4))
    #expect(data.leftOut.count == 2)
    #expect(data.leftOut[0].contains("with more than 125 tokens (task.max_seq_length) (line"), "\(data.leftOut)")
    #expect(
      data.leftOut[1].contains("fewer than 2 solved ones in front, so as to fit in 125 tokens"), "\(data.leftOut)")
    #expect(try run.load(.train, toTrain: true).leftOut.count == 1)
    task.maxSeqLength = 8
    let short = try ScoringRun(model.config(task), adapterDirectory: nil, threads: 1).run
    #expect(throws: TaskError.self) { try short.load(.test) }
  }

  @Test func stylesHaveTheNamesOfTheConfig() throws {
    for style in ChoiceStyle.allCases {
      let text =
        #"{"model": "m", "task": {"name": "multiple-choice", "train_file": "t", "choice_style": "\#(style.rawValue)"}}"#
      #expect(try RunConfig.load(text: text).task.choiceStyle == style.rawValue)
    }
  }
}

/// A copy of a tiny decoder; a LLaMA's has positions for 512 tokens.
private final class LongModel {
  let path: String
  let adapter: String

  init(_ name: String) throws {
    let source = DecoderGoldenRun.directory.appendingPathComponent(name)
    adapter = source.appendingPathComponent("peft").path
    path = NSTemporaryDirectory() + "long-model-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for file in ["model.safetensors", "tokenizer.json"] {
      try FileManager.default.copyItem(atPath: source.appendingPathComponent(file).path, toPath: "\(path)/\(file)")
    }
    let config = try String(contentsOf: source.appendingPathComponent("config.json"), encoding: .utf8)
    try config.replacing("\"max_position_embeddings\": 64", with: "\"max_position_embeddings\": 512")
      .write(toFile: "\(path)/config.json", atomically: true, encoding: .utf8)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func config(_ task: TaskConfig) -> RunConfig {
    var adapter = AdapterConfig()
    adapter.targetModules = .allLinear
    return RunConfig(name: "choices", model: path, task: task, adapter: adapter)
  }
}
