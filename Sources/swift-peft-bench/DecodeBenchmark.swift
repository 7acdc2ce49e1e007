import Adapters
import ArgumentParser
import Checkpoints
import Foundation
import Kernels
import Models
import Training

/// Tokens per second in continuing a text greedily, compared with the limit that memory bandwidth sets.
struct DecodeBenchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decode", abstract: "Time text generation and compare it with memory bandwidth.")

  @Argument(help: "A directory with a language model, or a GGUF file.") var model: String
  @Option(help: "Tokens to time, after the first eight.") var tokens = 128
  @Option(help: "Workers.") var threads = ProcessorCount.available

  func run() throws {
    let bytes = try Self.matrixBytes(ModelGeometry(ModelConfig(directory: model)), model)
    let reading = MachineRates.measureReading(threads: threads, seconds: 2)

    let run = try GenerationRun(model: model, adapterDirectory: nil, template: nil, threads: threads)
    var options = GenerationOptions()
    options.maxNewTokens = tokens + 9
    var times: [ContinuousClock.Instant] = []
    _ = run.generator.stream(try run.ids(of: "Once upon a time", options), options) { _ in
      times.append(ContinuousClock.now)
      return true
    }
    let gaps = zip(times.dropFirst(), times).map { ($0 - $1).inSeconds }.dropFirst(8).sorted()
    guard !gaps.isEmpty else { throw ValidationError("the model ended the text after \(times.count) tokens") }
    let median = gaps[gaps.count / 2]
    print(
      """
      {"tokens": \(gaps.count), "threads": \(threads), "tokens_per_second": \(fixed(1 / median)), \
      "weights_mb": \(fixed(bytes * 1e-6)), "gb_per_second": \(fixed(bytes / median * 1e-9)), \
      "memory_gb_per_second": \(fixed(reading)), "share": \(fixed(bytes / median * 1e-9 / reading, 3))}
      """)
  }

  /// What every token reads once: the stored bytes of each linear map and of the head. Norms and the cache are below 1 %.
  private static func matrixBytes(_ geometry: ModelGeometry, _ path: String) throws -> Double {
    let files = try geometry.checkpoint(path), config = geometry.config
    let head = config.tieWordEmbeddings ? geometry.tokenEmbedding : Architecture.languageModelHead
    let maps = geometry.sites.filter { $0.slice == nil }.map { ($0.path + ".weight", $0.inFeatures * $0.outFeatures) }
    let matrices = maps + [(head, config.vocabularySize * config.hiddenSize)]
    return matrices.reduce(0) { sum, matrix in
      sum + Double((files.info(matrix.0)?.type ?? .float32).byteCount(of: matrix.1))
    }
  }
}
