import Adapters
import Checkpoints
import Configuration
import Foundation
import Kernels
import Models
import Tasks
import Testing

@testable import Training

@Suite struct TrainerTests {
  @Test func shardsCoverTheBatchOnceAndAreBalanced() {
    for lengths in [[5], [], Array(repeating: 128, count: 16), (0..<100).map { 3 + $0 * 7 % 120 }, [2000, 1, 1]] {
      let plan = ShardPlan(lengths: lengths)
      #expect(plan.shards.flatMap { $0 }.sorted() == Array(lengths.indices))
      #expect(plan.shards.allSatisfy { !$0.isEmpty })
    }
    func tokens(_ lengths: [Int], each shardTokens: Int? = nil) -> [Int] {
      ShardPlan(lengths: lengths, shardTokens: shardTokens).shards.map { $0.map { lengths[$0] }.reduce(0, +) }
    }
    let batch = Array(repeating: 128, count: 16)
    #expect(tokens(batch) == Array(repeating: 512, count: 4))
    #expect(tokens(batch, each: 128) == Array(repeating: 128, count: 16))
    #expect(tokens(batch, each: 1000) == Array(repeating: 512, count: 4))
    #expect(tokens(Array(repeating: 128, count: 256)).count == 64)
    #expect(tokens(Array(repeating: 13, count: 32)).count == 4)
    #expect(tokens(Array(repeating: 12, count: 10)) == [120])
    #expect(tokens(Array(repeating: 12, count: 10), each: 5).count == 10)
  }

  @Test(arguments: [
    (LRSchedulerType.linear, [0, 0.5, 1, 0.75, 0.5, 0.25]), (.constant, [1, 1, 1, 1, 1, 1]),
    (.constantWithWarmup, [0, 0.5, 1, 1, 1, 1]),
    (.cosine, [0, 0.5, 1, 0.853553, 0.5, 0.146447]),
  ])
  func schedulesAreThoseOfTransformers(type: LRSchedulerType, factors: [Double]) {
    var config = TrainingConfig()
    config.learningRate = 2
    config.warmupSteps = 2
    config.lrSchedulerType = type
    let schedule = LearningRateSchedule(config, totalSteps: 6)
    for (step, factor) in factors.enumerated() { #expect(abs(schedule.rate(after: step) - 2 * factor) < 1e-5) }
  }

  @Test func warmupRatioIsRoundedUp() {
    var config = TrainingConfig()
    config.warmupRatio = 0.06
    #expect(LearningRateSchedule(config, totalSteps: 30).warmupSteps == 2)
    #expect(LearningRateSchedule(config, totalSteps: 6900).warmupSteps == 414)
  }

  @Test func batchesTakeEveryExampleOnceAndKeepTheShortLastOne() {
    var config = TrainingConfig()
    (config.trainBatchSize, config.gradientAccumulationSteps, config.numTrainEpochs) = (4, 2, 1.5)
    let plan = StepPlan(examples: 23, config)
    #expect(plan.perEpoch == 3)
    let order = Philox(seed: 1).permutation(23, epoch: 0)
    let seen = (0..<3).flatMap { plan.batch(step: $0, order: order) }
    #expect(seen == order)
    #expect(plan.batch(step: 5, order: order).count == 7)
    #expect(plan.total == 5)
    config.maxSteps = 2
    #expect(StepPlan(examples: 23, config).total == 2)
  }

  private func trainer(
    evaluation: EvalStrategy, patience: Int = 0, best: Bool = false, learningRate: Double = 1e-2, epochs: Double = 6
  ) throws -> Trainer {
    let golden = try GoldenRun(model: "bert-tiny", run: "lora")
    var config = golden.config
    config.evalStrategy = evaluation
    config.evalSteps = 2
    config.numTrainEpochs = epochs
    config.learningRate = learningRate
    config.earlyStoppingPatience = patience
    config.loadBestModelAtEnd = best
    return Trainer(
      state: try golden.state(), engine: golden.engine(), config: config, train: golden.data,
      evaluationSets: [(.validation, EncodedDataset(items: Array(golden.data.items.prefix(9))))],
      procedure: nil, philox: Philox(seed: 1))
  }

  @Test func evaluatesAsTheConfigSays() throws {
    for (strategy, steps) in [(EvalStrategy.no, [6]), (.epoch, [3, 6]), (.steps, [2, 4, 6])] {
      var trainer = try trainer(evaluation: strategy, epochs: 2)
      var evaluated: [Int] = []
      _ = try trainer.run { if case .evaluated(let report) = $0 { evaluated.append(report.step) } }
      #expect(evaluated == steps)
    }
  }

  @Test func theBestStateIsRestoredAndGivesTheLoggedNumber() throws {
    var trainer = try trainer(evaluation: .steps, best: true, learningRate: 0.3)
    var losses: [Double] = []
    let outcome = try trainer.run { if case .evaluated(let report) = $0 { losses.append(report["loss"] ?? .nan) } }
    let best = try require(losses.min())
    #expect(losses.last != best, "the run must get worse again for this test to say something")
    #expect(outcome.reports[0]["loss"] == best)
    let golden = try GoldenRun(model: "bert-tiny", run: "lora")
    let again = Evaluator(engine: golden.engine(), batchSize: golden.config.evalBatchSize).report(
      .validation, Array(golden.data.items.prefix(9)), state: trainer.state, epoch: 0)
    #expect(again?["loss"] == best)
  }

  @Test func earlyStoppingEndsARunThatDoesNotImprove() throws {
    var trainer = try trainer(evaluation: .steps, patience: 2, learningRate: 0.3, epochs: 30)
    _ = try trainer.run { _ in }
    #expect(trainer.state.step < 90)
  }

  @Test func aLossThatIsNotFiniteStopsTheRunAndKeepsTheState() throws {
    let golden = try GoldenRun(model: "bert-tiny", run: "lora")
    var state = try golden.state()
    state[head: 1] = [.nan, 0]
    let before = state[state.table.tensors[0]]
    var trainer = Trainer(
      state: state, engine: golden.engine(), config: golden.config, train: golden.data, evaluationSets: [],
      procedure: nil, philox: Philox(seed: 1))
    #expect { try trainer.run { _ in } } throws: { error in
      guard case TrainingError.notFinite(let step)? = error as? TrainingError else { return false }
      return step
        == NonFiniteStep(
          step: 1, what: .loss, shard: 0, shards: 1, examples: Array(0..<8),
          operation: "the trained tensor classifier.bias, which an earlier step left so")
    }
    #expect(trainer.state.step == 0)
    #expect(trainer.state[trainer.state.table.tensors[0]] == before)
  }

  @Test func anInterruptedRunHasNoScoresOfAnEarlierStep() throws {
    var trainer = try trainer(evaluation: .steps)
    var steps = 0
    let outcome = try trainer.run(shouldStop: { steps == 3 }) { if case .step = $0 { steps += 1 } }
    #expect(outcome.wasInterrupted && trainer.state.step == 3)
    #expect(outcome.reports.isEmpty)
  }

  @Test func stopsAfterTheStepWhenAsked() throws {
    var trainer = try trainer(evaluation: .no)
    var steps = 0
    let outcome = try trainer.run(shouldStop: { steps == 2 }) { if case .step = $0 { steps += 1 } }
    #expect(outcome.wasInterrupted)
    #expect(trainer.state.step == 2)
  }

  @Test(arguments: ["gelu", "gelu_new", "relu", "silu", "gelu_pytorch_tanh", "quick_gelu", "gelu_fast"])
  func everyHiddenActivation(name: String) throws {
    let golden = try GoldenRun(model: "bert-tiny", run: "none")
    let folder = GoldenRun.directory.appendingPathComponent("bert-tiny")
    let text = try String(contentsOf: folder.appendingPathComponent("config.json"), encoding: .utf8)
    let config = try ModelConfig(json: text.replacingOccurrences(of: "\"gelu\"", with: "\"\(name)\""))
    let model = try LoadedClassifier(path: folder.path, config: config, labels: 2, philox: Philox(seed: 1)).model
    let engine = Engine(
      Classification(), model: .classifier(model), sites: golden.geometry.sites, scale: 1, pool: WorkerPool(threads: 1))
    let logits = engine.evaluate(Array(golden.data.items.prefix(8)), state: try golden.state()).logits.flatMap { $0 }
    let forward = try GoldenRun.json(GoldenRun.directory.appendingPathComponent("forward.json"))
    let expected = try require(forward["hidden_act"]?[name]?.array).flatMap(\.numbers)
    #expect(logits.count == expected.count)
    #expect(zip(logits, expected).allSatisfy { abs(Double($0) - $1) < 1e-4 })
  }
}
