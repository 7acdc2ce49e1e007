import Cluster
import Kernels
import Tasks

/// How many threads may compute gradients: each needs storages for all of them, and those of many trained numbers may
/// not fit into memory. Results do not depend on it.
struct WorkerLimit {
  /// The most of them.
  var workers = Int.max
  /// A note for the user, if these are fewer than there are threads.
  var notice: String?

  /// The limit of a run on `items` with `numbers` numbers that have gradients.
  init(_ run: PreparedRun, items: [EncodedDataset.Item], numbers: Int) throws {
    // To look at all shards takes a moment, which few numbers are not worth.
    guard numbers > MemoryEstimate.fewNumbers, run.pool.threads > 1 else { return }
    let estimate = try MemoryEstimate(run, outputs: run.task().outputs, items: items, ranks: run.cluster.size)
    let (limited, notice) = estimate.limited(
      to: SystemFacts().availableMemory, ranksOfHost: run.cluster.hostSize)
    (workers, self.notice) = (notice == nil ? .max : limited.workers, notice)
  }
}
