import Configuration
import Foundation
import Testing

@testable import Training

/// RoBERTa-base with rank 64 on all maps: 10.6 million numbers, eight shards of 512 tokens a step.
@Suite struct MemoryEstimateTests {
  private func estimate(threads: Int) throws -> (memory: MemoryEstimate, numbers: Int) {
    let path = NSTemporaryDirectory() + "memory-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    let sizes = #"{"model_type": "roberta", "vocab_size": 50265, "max_position_embeddings": 514, "pad_token_id": 1}"#
    try sizes.write(toFile: "\(path)/config.json", atomically: true, encoding: .utf8)
    var task = TaskConfig(name: "sst2")
    task.maxSeqLength = 128
    var config = RunConfig(name: "memory", model: path, task: task)
    (config.adapter.strategy, config.adapter.r, config.adapter.targetModules) = ("lora", 64, .allLinear)
    config.training.trainBatchSize = 32
    let run = try PreparedRun(config, threads: threads, inputs: .none)
    let head = run.head(outputs: 2).map(\.count).reduce(0, +)
    return (try MemoryEstimate(unread: run, threads: threads), run.table.parameterCount + head)
  }

  /// Values, sums, two moments, and a storage for each shard or for two workers and the tree between them.
  @Test(arguments: [(1, 6), (2, 8), (8, 8)]) func storages(threads: Int, storages: Int) throws {
    let (memory, numbers) = try estimate(threads: threads)
    #expect(memory.workers == threads)
    #expect(memory.trainable == 4 * numbers * (4 + storages))
  }

  @Test func fewerWorkersWhereMemoryIsShort() throws {
    let memory = try estimate(threads: 8).memory
    for available in [nil, 1 << 50] {
      let (same, notice) = memory.limited(to: available, ranksOfHost: 1)
      #expect(same == memory && notice == nil)
    }
    let enough = memory.trainable + memory.activations + memory.program
    #expect(memory.limited(to: enough, ranksOfHost: 1).notice == nil)
    let (fewer, notice) = memory.limited(to: enough - 1, ranksOfHost: 1)
    #expect(fewer.workers == 7)
    let megabytes = enough / 1_000_000
    #expect(
      notice
        == "computes gradients on 7 of 8 threads: 8 would take about \(megabytes) MB, and \((enough - 1) / 1_000_000) MB of "
        + "memory are available")
    #expect(memory.limited(to: 2 * enough - 1, ranksOfHost: 2).estimate.workers == 7)
    #expect(memory.limited(to: 0, ranksOfHost: 1).estimate.workers == 1)
  }

  /// What is mapped is there once for all processes of a host.
  @Test func host() throws {
    let memory = try estimate(threads: 2).memory
    #expect(memory.host(ranks: 1) == memory.total)
    #expect(memory.host(ranks: 3) - memory.host(ranks: 1) == 2 * (memory.total - memory.weights))
  }
}
