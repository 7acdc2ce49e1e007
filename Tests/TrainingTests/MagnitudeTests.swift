import Configuration
import Diagnostics
import Testing

@testable import Adapters
@testable import Training

/// DoRA beside the rest of a run.
@Suite struct MagnitudeTests {
  private let subject = MethodCase("dora", #""strategy": "lora", "r": 4, "use_dora": true"#)

  @Test func dropoutIsNotPEFTs() throws {
    let scratch = try MethodScratch(subject)
    var config = try scratch.config()
    let note = "adapter.use_dora with lora_dropout:"
    #expect(try !TrainingRun(config, threads: 1, start: .fresh).notices.contains { $0.hasPrefix(note) })
    config.adapter.loraDropout = 0.1
    #expect(try TrainingRun(config, threads: 1, start: .fresh).notices.contains { $0.hasPrefix(note) })
  }

  /// The base model alone has no magnitudes.
  @Test func theBaseModelIsScoredWithoutThem() throws {
    let scratch = try MethodScratch(subject)
    let scoring = try ScoringRun(scratch.config(), adapterDirectory: nil, threads: 1)
    #expect(scoring.state.table.sites.isEmpty && scoring.state.table.method == .headOnly)
  }

  /// From a LoRA it starts at the same function: m is ‖W + s B A‖.
  @Test func startsFromALoRA() throws {
    let scratch = try MethodScratch(MethodCase("lora", #""strategy": "lora", "r": 4"#))
    try scratch.train("first")
    var config = try scratch.config("second")
    config.adapter.initFrom = "\(scratch.path)/first"
    config.adapter.useDoRA = true
    let run = try TrainingRun(config, threads: 1, start: .fresh), state = run.trainer.state
    let first = try #require(try run.run.adapter(in: "\(scratch.path)/first").native)
    let pairs = state.table.tensors.filter { $0.role.factor != nil }
    let trained = pairs.filter { key in first.tensors[key]?.contains { $0 != 0 } == true }
    #expect(!pairs.isEmpty && pairs == trained)
    #expect(pairs.map { state[$0] } == pairs.map { first.tensors[$0] })
    let form = try #require(state.table.method.form)
    for position in state.table.sites.indices {
      let scales = try #require(form.build(state.tensors(ofSiteAt: position)).rowScale)
      #expect(scales.allSatisfy { $0 == 1 })
    }
    // With A shared, the layers' own would be lost.
    config.adapter.strategy = "share-a"
    #expect(throws: ErrorList.self) { try TrainingRun(config, threads: 1, start: .fresh) }
  }

  /// A run without magnitudes cannot take them over.
  @Test func aLoRACannotStartFromOne() throws {
    let scratch = try MethodScratch(subject)
    try scratch.train("first")
    var config = try scratch.config("second")
    config.adapter.initFrom = "\(scratch.path)/first"
    let state = try TrainingRun(config, threads: 1, start: .fresh).trainer.state
    let first = try #require(
      try TrainingRun(config, threads: 1, start: .fresh).run.adapter(in: "\(scratch.path)/first").native)
    #expect(state.table.tensors.map { state[$0] } == first.table.tensors.map { first.tensors[$0] })
    config.adapter.useDoRA = nil
    let error = #expect(throws: AdapterError.self) { try TrainingRun(config, threads: 1, start: .fresh) }
    #expect(
      error?.description.hasSuffix("by more than A and B, which lora cannot do") == true)
    config.adapter.initLoRAWeights = .mica
    #expect(
      throws: AdapterError.otherMethod(config: "lora with init_lora_weights \"mica\"")
    ) { try TrainingRun(config, threads: 1, start: .fresh) }
  }
}
