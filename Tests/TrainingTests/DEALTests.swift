import Configuration
import Foundation
import Kernels
import Testing

@testable import Adapters
@testable import Training

@Suite struct DEALTests {
  private func config(_ scratch: MethodScratch, _ output: String, options: String = "{}") throws -> RunConfig {
    var config = try scratch.config(output)
    let text = config.jsonText().replacingOccurrences(of: "\"strategy\": \"lora\"", with: "\"strategy\": \"deal\"")
      .replacingOccurrences(
        of: "\"init_from\": null", with: "\"init_from\": \"\(scratch.path)/first\", \"deal\": \(options)")
    config = try RunConfig.load(text: text)
    return config
  }

  @Test func itGoesOnFromAFilteredAdapterAndResumes() throws {
    let scratch = try MethodScratch(try #require(MethodCase.all.first { $0.name == "lora" }))
    let first = try scratch.train("first")
    let begun = try TrainingRun(config(scratch, "a"), threads: 1, start: .fresh).trainer.state
    let a = try #require(begun.table.key(.a, ofSiteAt: 0)), b = try #require(begun.table.key(.b, ofSiteAt: 0))
    let held = try #require(begun.table.key(TensorRole("A_held"), ofSiteAt: 0))
    #expect(begun[held] == begun[a])
    // The largest singular value keeps 1 − e⁻⁴ of itself, the others less.
    let old = try Decompositions.singular(first.trainer.state[a], rows: 4, columns: 32)
    let new = try Decompositions.singular(begun[a], rows: 4, columns: 32)
    for (one, other) in zip(old.values, new.values) {
      let share = Double(one / old.values[0])
      #expect(abs(Double(other) - Double(one) * (1 - exp(-4 * share * share))) < 1e-4)
    }
    #expect(begun[b] != first.trainer.state[b])

    var whole = try TrainingRun(config(scratch, "whole"), threads: 2, start: .fresh)
    _ = try whole.execute { _ in }
    var steps = 0
    var part = try TrainingRun(config(scratch, "part"), threads: 1, start: .fresh)
    _ = try part.execute(shouldStop: { steps >= 3 }) { if case .step = $0 { steps += 1 } }
    var rest = try TrainingRun(config(scratch, "part"), threads: 1, start: .resume)
    _ = try rest.execute { _ in }
    #expect(scratch.adapter("whole") != nil && scratch.adapter("whole") == scratch.adapter("part"))
  }

  /// A stronger hold leaves A nearer to what it was.
  @Test func theHoldIsFelt() throws {
    let scratch = try MethodScratch(try #require(MethodCase.all.first { $0.name == "lora" }))
    try scratch.train("first")
    func distance(_ lambda: String) throws -> Float {
      let options = "{\"lambda_a\": \(lambda), \"lambda_b\": 0}"
      var run = try TrainingRun(config(scratch, "run-\(lambda)", options: options), threads: 1, start: .fresh)
      _ = try run.execute { _ in }
      let state = run.trainer.state, a = try #require(state.table.key(.a, ofSiteAt: 0))
      let held = try #require(state.table.key(TensorRole("A_held"), ofSiteAt: 0))
      return zip(state[a], state[held]).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    }
    #expect(try distance("100") < 0.7 * distance("0"))
  }

  /// m is that of the filtered adapter.
  @Test func magnitudesFollowTheFilter() throws {
    let scratch = try MethodScratch(try #require(MethodCase.all.first { $0.name == "lora" }))
    try scratch.train("first")
    var config = try config(scratch, "second")
    config.adapter.useDoRA = true
    let state = try TrainingRun(config, threads: 1, start: .fresh).trainer.state
    let form = try #require(state.table.method.form)
    for position in state.table.sites.indices {
      let scales = try #require(form.build(state.tensors(ofSiteAt: position)).rowScale)
      #expect(scales.allSatisfy { $0 == 1 })
    }
  }

  @Test func withoutAnAdapterItIsRefused() throws {
    let text = #"{"model": "m", "task": {"name": "sst2", "data_dir": "d"}, "adapter": {"strategy": "deal"}}"#
    let error = #expect(throws: (any Error).self) { try RunConfig.load(text: text) }
    #expect("\(try #require(error))".contains("adapter.init_from: strategy deal needs an adapter to go on from"))
  }
}
