import Foundation
import RunStore

/// A directory of its own for one test, removed with the last reference.
final class Scratch: Sendable {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("RunStoreTests-\(UUID())")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func path(_ name: String) -> String { url.appendingPathComponent(name).path }

  func bytes(_ name: String) throws -> Data { try Data(contentsOf: url.appendingPathComponent(name)) }
}

extension RunDetails {
  static func example(_ name: String = "sst2-aslora", strategy: String = "aslora") -> RunDetails {
    RunDetails(
      name: name, model: "models/m", modelType: "bert", task: "sst2", strategy: strategy, r: 8, loraAlpha: 16, seed: 42,
      precision: "float32", threads: 2,
      parameters: ParameterCounts(adapter: 159_744, trainable: 751_874, total: 125_000_000), config: "{}",
      outputDir: "runs/\(name)", version: "0.1.0")
  }
}
