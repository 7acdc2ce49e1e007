import Adapters
import Configuration
import Foundation
import Tasks
import Testing

@testable import Training

/// Steps whose numbers are NaN or infinite.
@Suite struct NonFiniteTests {
  private func found(_ job: Job, change: (inout TrainableState) -> Void) throws -> (NonFiniteStep, Trainer) {
    var trainer = try job.trainer(change: change)
    let before = trainer.state.everything
    let error = try #require(throws: TrainingError.self) { try trainer.run { _ in } }
    #expect(
      trainer.state.everything.filter { $0.value.allSatisfy(\.isFinite) }
        == before.filter { $0.value.allSatisfy(\.isFinite) })
    guard case .notFinite(let step) = error else { throw MissingValue() }
    return (step, trainer)
  }

  @Test func aTensorThatIsNotFiniteIsNamed() throws {
    let (step, _) = try found(Job("lora")) { state in
      let key = state.table.tensors[0]
      var values = state[key]
      values[5] = .nan
      state[key] = values
    }
    #expect(step.step == 1 && step.what == .loss && step.shard == 0)
    #expect(
      step.operation
        == "the trained tensor encoder.layer.0.attention.self.query.lora_A.weight, which an earlier step left so")
  }

  @Test func theFirstOperationIsNamed() throws {
    // A·x is finite, B·(A·x) overflows: the adapted map of the first adapted layer is where it comes from.
    let (step, _) = try found(Job("lora")) { state in
      for key in state.table.tensors where key.layer == 1 && key.module.hasSuffix("query") {
        state[key] = state[key].map { _ in 1e30 }
      }
    }
    #expect(step.what == .loss && step.operation?.hasPrefix("linear, operation ") == true, "\(step)")
    #expect(step.operation?.hasSuffix(" of the forward pass") == true)
    #expect(!step.examples.isEmpty && step.examples.allSatisfy { (0..<23).contains($0) })
    let text = TrainingError.notFinite(step).description
    #expect(text.hasPrefix("step 1: the loss is not a finite number; the step was not applied; first in linear, "))
    #expect(text.contains(", shard 1 of \(step.shards), training example"))
  }

  @Test func aDerivativeIsNamed() throws {
    // Logits of −3e38 and a loss of 3e38 are finite; the way back through the head is not.
    let (step, _) = try found(Job("lora")) { state in
      state[head: 0] = state[head: 0].enumerated().map { $0.offset % 2 == 0 ? 3e38 : -3e38 }
    }
    #expect(step.operation != nil && step.step == 1, "\(step)")
  }

  private func poisoned(limit: Int) throws -> Job {
    var job = Job("lora")
    job.config.maxNonfiniteSteps = limit
    job.config.evalStrategy = .no
    return job
  }

  /// Every step is bad here: a bias of the head is NaN.
  @Test(arguments: [1, 3]) func soManyStopTheRun(limit: Int) throws {
    var trainer = try poisoned(limit: limit).trainer { $0[head: 1] = [.nan, 0] }
    var notices: [String] = []
    let error = try #require(throws: TrainingError.self) {
      try trainer.run { if case .notice(let text) = $0 { notices.append(text) } }
    }
    #expect(error.exitStatus == .badInput && error.description.hasPrefix("step \(limit): "))
    #expect(trainer.state.step == limit - 1 && trainer.state.skippedSteps == limit - 1)
    #expect(notices.count == limit - 1)
    if limit > 1 { #expect(notices[0].hasSuffix("1 such step so far, the run stops at 3")) }
  }

  @Test func aSkippedStepChangesNothingAndIsLeftOutOfTheSums() throws {
    let job = try poisoned(limit: 100)
    var trainer = try job.trainer { $0[head: 1] = [.nan, 0] }
    let before = trainer.state.everything
    var steps = 0, lines = 0, notices = 0
    let outcome = try trainer.run { event in
      switch event {
      case .step: steps += 1
      case .log: lines += 1
      case .notice: notices += 1
      default: break
      }
    }
    #expect(!outcome.wasInterrupted && steps == 0 && lines == 0 && notices == 20)
    #expect(trainer.state.step == 20 && trainer.state.skippedSteps == 20)
    for (name, values) in before where name != "step" && name != "skipped" && values.allSatisfy(\.isFinite) {
      #expect(trainer.state.everything[name] == values)
    }
  }

  @Test func scoresThatAreNoneAreNeverTheBest() throws {
    var job = try poisoned(limit: 100)
    job.config.evalStrategy = .steps
    job.config.loadBestModelAtEnd = true
    var trainer = try job.trainer { $0[head: 1] = [.nan, 0] }
    _ = try trainer.run { _ in }
    #expect(trainer.loop.best == nil && trainer.loop.evaluationsWithoutGain > 1)
  }
}
