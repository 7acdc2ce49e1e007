import Foundation
import StrictJSON
import Testing

@Suite struct DryRunTests {
  @Test func writesNothing() throws {
    let sandbox = try Sandbox.trainable()
    let before = try sandbox.listing()
    let outcome = try sandbox.run("train", "config.json", "--dry-run", "--json")
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(try sandbox.listing() == before)
    let plan = try outcome.json()
    #expect(plan["steps"]?.integer == 16 && plan["steps_per_epoch"]?.integer == 8)
    #expect(plan["warmup_steps"]?.integer == 1 && plan["train_examples"]?.integer == 60)
    #expect(plan["missing"]?.array?.isEmpty == true)
    #expect((plan["memory_bytes"]?["total"]?.integer ?? 0) > 0)
  }

  @Test func planIsWhatTheRunDoes() throws {
    let sandbox = try Sandbox.trainable()
    let plan = try sandbox.run("train", "config.json", "--dry-run", "--json").json()
    let run = try sandbox.run("train", "config.json", "--json").json()
    for key in ["adapter_parameters", "trainable_parameters"] {
      #expect(plan[key]?.integer == run[key]?.integer)
    }
    #expect(plan["steps"]?.integer == run["step"]?.integer)
  }

  static let configs: [String] = {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: "\(Repository.path)/configs")) ?? []
    return all.filter { $0.hasSuffix(".json") && !$0.hasSuffix(".schema.json") && !$0.hasSuffix("-sweep.json") }
      .sorted()
  }()

  @Test(arguments: configs) func everyConfigOfTheRepositoryPasses(name: String) throws {
    let sandbox = try Sandbox()
    try sandbox.writeModelOfConfig(name, "model")
    let before = try sandbox.listing()
    let outcome = try sandbox.run(
      "train", "\(Repository.path)/configs/\(name)", "--dry-run", "--set", "model=model")
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(outcome.out.contains("\nmissing: model: no weights") && outcome.out.contains("unknown"))
    #expect(outcome.out.contains("\nmissing: ") && outcome.out.contains("data/"))
    #expect(try sandbox.listing() == before)
  }

  @Test func whatIsThereIsChecked() throws {
    let sandbox = try Sandbox.trainable()
    try FileManager.default.removeItem(atPath: sandbox.place("model/model.safetensors"))
    #expect(try sandbox.run("train", "config.json", "--dry-run").status == 0)
    try sandbox.write("data/dev.tsv", "sentence\tlabel\ngood\t2\n")
    let outcome = try sandbox.run("train", "config.json", "--dry-run")
    #expect(outcome.status == 65 && outcome.err.contains("data/dev.tsv:2: "))
    #expect(try sandbox.run("train", "config.json", "--dry-run", "--set", "model=nowhere").status == 66)
  }
}
