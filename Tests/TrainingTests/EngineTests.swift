import Adapters
import Autograd
import Configuration
import Kernels
import Metrics
import Models
import Tasks
import Testing

@testable import Training

/// Units of a few tokens, of which one is NaN and spoils whatever is packed with it.
private struct Spoilt: Objective {
  let bad: Int
  var modelUse: ModelUse { .classifier(outputs: 1) }
  var metrics: [Metric] { [.loss] }

  func batch(_ items: [EncodedDataset.Item], _ model: ObjectiveModel, _ purpose: BatchPurpose) -> any ObjectiveBatch {
    Batch(lengths: items.map(\.ids.count), bad: bad)
  }

  func predictions(_ items: [EncodedDataset.Item], _ result: BatchResult) -> Predictions? { nil }

  struct Batch: ObjectiveBatch {
    let lengths: [Int]
    let bad: Int

    func forward(_ shard: [Int], _ context: ForwardContext) -> [UnitResult] {
      shard.map { _ in UnitResult(loss: shard.contains(bad) ? .nan : 1) }
    }

    func result(_ units: [UnitResult]) -> BatchResult {
      BatchResult(losses: units.compactMap(\.loss), counts: units.map { _ in 1 })
    }
  }
}

@Suite struct EngineTests {
  private func engine(_ objective: any Objective, threads: Int = 1) throws -> (Engine, TrainableState) {
    let golden = try GoldenRun(model: "bert-tiny", run: "lora")
    let engine = Engine(
      objective, model: .classifier(golden.classifier.model), sites: golden.geometry.sites, scale: 1,
      pool: WorkerPool(threads: threads))
    return (engine, try golden.state())
  }

  private func items(_ count: Int, length: Int) -> [EncodedDataset.Item] {
    (0..<count).map { _ in
      EncodedDataset.Item(
        ids: [Int32](repeating: 5, count: length), typeIDs: [Int32](repeating: 0, count: length), label: .classIndex(0))
    }
  }

  /// Kernels read past the end of an example into its neighbour in the pack.
  @Test(arguments: [0, 3, 5]) func aNaNIsBlamedOnItsOwnExample(bad: Int) throws {
    let (engine, state) = try engine(Spoilt(bad: bad))
    let origin = try #require(engine.firstNonFinite(items(6, length: 3), state: state, dropout: nil))
    #expect(origin.examples == [bad] && origin.shard == 0 && origin.shards == 1 && origin.operation == "the loss")
  }

  /// A batch of many shards is left after the shards at work. With two threads the other one may take all the rest
  /// before the first is asked again, so there the first answer counts.
  @Test(arguments: [(1, 2), (2, 1)]) func anEvaluationStopsBetweenShards(threads: Int, refused: Int) throws {
    let (engine, state) = try engine(Classification(), threads: threads)
    let evaluator = Evaluator(engine: engine, batchSize: 1000), items = items(64, length: 32)
    #expect(ShardPlan(lengths: items.map(\.ids.count)).shards.count == 4)
    var asked = 0
    let stopped = evaluator.report(
      .validation, items, state: state, epoch: 0,
      while: {
        asked += 1
        return asked < refused
      })
    #expect(stopped == nil && asked == refused)
    #expect(evaluator.report(.validation, items, state: state, epoch: 0, while: { true })?.examples == 64)
  }
}
