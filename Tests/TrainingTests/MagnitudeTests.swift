import Adapters
import Configuration
import Testing

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

  /// A LoRA has no magnitudes to start from.
  @Test func startsFromItsLikeOnly() throws {
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
