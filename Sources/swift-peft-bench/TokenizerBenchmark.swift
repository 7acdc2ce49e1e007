import ArgumentParser
import Foundation
import Kernels
import Tokenizers

/// Megabytes of text that a tokenizer encodes per second, line by line, with one thread and with several.
///
/// The first pass over the text, with an empty cache of words, is timed by itself.
struct TokenizerBenchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenizer", abstract: "Time encoding the lines of a text.")

  @Argument(help: "A directory with a tokenizer.") var model: String
  @Argument(help: "A text in UTF-8.") var text: String
  @Option(help: "Workers of the second measurement.") var threads = ProcessorCount.available
  @Option(help: "Passes after the first; the fastest counts.") var passes = 5

  func run() throws {
    let contents = String(decoding: try Data(contentsOf: URL(fileURLWithPath: text)), as: UTF8.self)
    let lines = contents.split(separator: "\n").map(String.init)
    let megabytes = Double(contents.utf8.count) * 1e-6
    for threads in threads > 1 ? [1, threads] : [1] {
      let tokenizer = try Tokenizer(modelDirectory: model)
      let pool = WorkerPool(threads: threads)
      let timings = (0...max(1, passes)).map { _ in pass(lines, tokenizer, pool) }
      let best = timings.dropFirst().map(\.seconds).min() ?? .nan
      print(
        """
        {"threads": \(threads), "tokens": \(timings[0].tokens), "megabytes": \(fixed(megabytes, 2)), \
        "first_mb_per_second": \(fixed(megabytes / timings[0].seconds, 2)), \
        "mb_per_second": \(fixed(megabytes / best, 2))}
        """)
    }
  }

  private func pass(_ lines: [String], _ tokenizer: Tokenizer, _ pool: WorkerPool) -> (seconds: Double, tokens: Int) {
    let start = ContinuousClock.now
    let counts = pool.map(each: lines) { tokenizer.encode($0).ids.count }
    return ((ContinuousClock.now - start).inSeconds, counts.reduce(0, +))
  }
}
