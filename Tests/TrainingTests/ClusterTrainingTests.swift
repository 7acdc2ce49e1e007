import Cluster
import Kernels
import SimulatedCluster
import Testing

@testable import Training

/// A run gives the same bytes on any number of ranks.
@Suite struct ClusterTrainingTests {
  /// 115 examples in steps of up to 48: some 8 shards a step, and a short last batch.
  static func job(_ strategy: String, precision: Precision = .float32) -> Job {
    var job = Job(strategy)
    job.copies = 5
    job.precision = precision
    job.config.shardTokens = 60
    (job.config.trainBatchSize, job.config.gradientAccumulationSteps) = (24, 2)
    (job.config.numTrainEpochs, job.config.evalBatchSize) = (2, 4)
    if strategy == "aslora" { job.merges = (1, 2, 2) }
    return job
  }

  /// Adapter, moments and everything that was told.
  struct Bits: Equatable {
    var values: [UInt32]
    var moments: [[UInt32]]
    var reports: String
    var events: [String]
  }

  static func bits(_ job: Job) throws -> Bits {
    let result = try job.run(try job.trainer())
    let moments = result.state.table.tensors.compactMap(result.state.moments).map {
      ($0.first + $0.second).map(\.bitPattern)
    }
    return Bits(
      values: result.state.values[0..<result.state.values.count].map(\.bitPattern), moments: moments,
      reports: "\(result.outcome.reports)", events: result.events)
  }

  @Test(arguments: ["lora", "share-ab", "aslora"]) func bytesAreThoseOfOneProcess(strategy: String) throws {
    let job = Self.job(strategy), alone = try Self.bits(job)
    #expect(alone.events.count > 5)
    for threads in [2, 3] {
      var threaded = job
      threaded.threads = threads
      #expect(try Self.bits(threaded) == alone, "\(threads) threads")
    }
    for ranks in [2, 3, 4, 8, 64] {
      let results = SimulatedCluster.run(ranks: ranks) { cluster in
        var shared = job
        (shared.cluster, shared.threads) = (cluster, cluster.rank % 2 + 1)
        return try Self.bits(shared)
      }
      for (rank, result) in results.enumerated() { #expect(try result.get() == alone, "rank \(rank) of \(ranks)") }
    }
  }

  @Test(.enabled(if: Products.hasBFloat16, "bfloat16 needs AVX512-BF16 or AMX"))
  func bytesAreThoseOfOneProcessInBFloat16() throws {
    let job = Self.job("aslora", precision: .bfloat16), alone = try Self.bits(job)
    for result in SimulatedCluster.run(
      ranks: 3,
      { cluster in
        var shared = job
        shared.cluster = cluster
        return try Self.bits(shared)
      })
    { #expect(try result.get() == alone) }
  }

  /// Ranks stop together, whichever of them is told to.
  @Test(arguments: [0, 2]) func aStopOnOneRankStopsAll(rank: Int) throws {
    let steps = SimulatedCluster.run(ranks: 3) { cluster in
      var job = Self.job("lora")
      job.cluster = cluster
      let result = try job.run(job.trainer(), stopAfter: cluster.rank == rank ? 2 : .max)
      return result.outcome.wasInterrupted ? result.state.step : -1
    }
    #expect(try steps.map { try $0.get() } == [2, 2, 2])
  }

  /// A rank that begins with other values is found before the first step, by all.
  @Test func otherValuesAreFound() throws {
    let results = SimulatedCluster.run(ranks: 3) { cluster -> Int in
      var job = Self.job("lora")
      job.cluster = cluster
      let trainer = try job.trainer { state in
        if cluster.rank == 2 { state.values[0..<1] = [state.values[0..<1][0] + 1] }
      }
      return try job.run(trainer).state.step
    }
    for result in results {
      let error = #expect(throws: RanksDiverged.self) { try result.get() }
      #expect(
        error?.description
          == "rank 2 on n2 has other adapter values or scores than rank 0, found before the first step")
    }
  }

  /// A rank whose memory goes wrong later is found at the latest where all is compared; so is one that judges otherwise.
  @Test func otherValuesAndScoresAreFoundLater() throws {
    for change in ["values", "scores", "nothing"] {
      let results = SimulatedCluster.run(ranks: 2) { cluster -> Bool in
        var state = try Self.job("lora").trainer().state, loop = LoopState()
        state.step = 7
        let last = state.values.count - 1
        if cluster.rank == 1, change == "values" {
          state.values[last..<(last + 1)] = [state.values[last..<(last + 1)][0] + 1]
        }
        if cluster.rank == 1, change == "scores" { loop.evaluationsWithoutGain = 1 }
        return try cluster.meet(state, loop, stops: cluster.rank == 1, comparesAll: true)
      }
      for result in results {
        if change == "nothing" {
          #expect(try result.get())
        } else {
          let error = #expect(throws: RanksDiverged.self) { try result.get() }
          #expect(error?.description.hasSuffix("found after step 7; --resume goes on from a checkpoint") == true)
        }
      }
    }
  }
}
