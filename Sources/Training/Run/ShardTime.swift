import Adapters
import Autograd
import Configuration
import Kernels
import Tasks

/// The seconds that one thread needs for a shard of the run's mean size.
public struct ShardTime: Sendable, Equatable {
  /// The seconds; of a lone shard, which all threads share, theirs.
  public let seconds: Double
  /// Whether shards of the run were computed, or just the operations counted.
  public let isMeasured: Bool

  /// A time that is known.
  init(seconds: Double, isMeasured: Bool) { (self.seconds, self.isMeasured) = (seconds, isMeasured) }

  /// Seconds that a measurement may take.
  private static let patience = 2.0

  /// The part of the time of a shard in which the rate of large products is reached: RoBERTa-base reaches 88 of 112
  /// GFLOP/s in float32 and 171 of 226 in bfloat16 (the README's table).
  private static let productShare = 0.77

  /// Measures shards of the typical step, all threads at work as in a real one, where model and data are there and a
  /// shard does not take too long; else counts operations, and measures the rate of products.
  init(_ run: PreparedRun, _ state: TrainableState, _ epoch: EpochShards, isComplete: Bool) throws {
    guard let typical = epoch.typical else {
      (seconds, isMeasured) = (0, false)
      return
    }
    // More threads than processors are of another machine.
    let threads = min(run.pool.threads, ProcessorCount.available)
    let scale = epoch.meanTokens / Double(max(1, typical.shard.tokens))
    let rate = MachineRates.measureProduct(
      512, run.model.hiddenSize, run.model.hiddenSize, in: run.config.training.precision, seconds: 0.1)
    let operations = typical.shard.work(run, state).operations
    let team = epoch.most == 1 ? Double(run.pool.threads) : 1
    let counted = operations / (rate * 1e9 * Self.productShare) / team
    guard isComplete, counted < Self.patience else {
      (seconds, isMeasured) = (counted * scale, false)
      return
    }
    let engine = try run.engine(scale: run.scale, workers: threads)
    let dropout = DropoutSource(philox: run.philox, step: 0), shards = epoch.most == 1 ? 1 : max(2, threads)
    let clock = ContinuousClock(), started = clock.now
    /// Seconds of a shard on each thread.
    func time() -> Double {
      let before = clock.now
      let done = engine.computeShards(shards, of: typical.items, state: state, dropout: dropout)
      return (clock.now - before).inSeconds / Double(max(1, done.divided(by: threads)))
    }
    // The first time, weights are read and products compiled.
    _ = time()
    var times: [Double] = []
    repeat {
      times.append(time())
    } while times.count < 9 && (clock.now - started).inSeconds < Self.patience
    (seconds, isMeasured) = (times.sorted()[times.count / 2] * scale, true)
  }
}
