import Foundation
import Models
import StrictJSON
import Testing

/// Every family from `config.json` alone: configs of models of the Hub, and the parameters that transformers and peft
/// count for them (`scripts/golden/sizes.py`).
@Suite struct FamilySizeTests {
  /// A record of the golden file.
  struct Model: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let targets: [String]
    let totalParameters: Int
    let loraParameters: Int
    let config: String
    var testDescription: String { name }

    /// Its family; nil if the program has no code for it.
    var family: Architecture? {
      let type = try? JSONParser.parse(config)["model_type"]?.string
      return Architecture.all.first { $0.modelType == type }
    }

    /// A sandbox in which `model` holds the config, and nothing else.
    func sandbox() throws -> Sandbox {
      let sandbox = try Sandbox()
      try sandbox.write("model/config.json", config)
      return sandbox
    }
  }

  static let models: [Model] = {
    let file = URL(fileURLWithPath: "\(Repository.path)/Tests/CommandLineTests/Golden/sizes.json")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return (try? decoder.decode([Model].self, from: Data(contentsOf: file))) ?? []
  }()

  @Test func everyFamilyHasOne() throws {
    let types = Self.models.map(\.family?.modelType)
    #expect(Architecture.all.filter { !types.contains($0.modelType) }.map(\.modelType) == [])
  }

  @Test(arguments: models) func countsAreThoseOfPeft(_ model: Model) throws {
    let sandbox = try model.sandbox()
    let outcome = try sandbox.run(
      "compare-params", "model", "--r", "8", "--target-modules", model.targets.joined(separator: ","), "--strategies",
      "lora", "--format", "json")
    #expect(outcome.status == 0, "\(outcome.err)")
    let counts = try outcome.json()
    #expect(counts["total_parameters"]?.integer == model.totalParameters)
    let lora = try #require(counts["strategies"]?.array?.first)
    #expect(lora["adapter_parameters"]?.integer == model.loraParameters)
  }

  @Test(arguments: models) func dryRun(_ model: Model) throws {
    let sandbox = try model.sandbox()
    let all = try sandbox.run("compare-params", "model", "--num-merges", "0")
    #expect(all.status == 0 && all.out.contains("share-ab-qkv"), "\(all.err)")
    let isDecoder = try #require(model.family).isDecoder
    let task =
      isDecoder
      ? #"{"name": "causal-lm", "train_file": "t", "validation_file": "v", "#
      : #"{"name": "sst2", "data_dir": "data", "#
    try sandbox.write(
      "config.json",
      """
      {"model": "model", "task": \(task) "max_seq_length": 64},
       "adapter": {"strategy": "share-a", "target_modules": "all-linear"}, "output_dir": "run"}
      """)
    let plan = try sandbox.run("train", "config.json", "--dry-run", "--json")
    #expect(plan.status == 0, "\(plan.err)")
    let bytes = try plan.json()["memory_bytes"]?["total"]?.integer ?? 0
    #expect(bytes > 4 * model.totalParameters)
  }
}
