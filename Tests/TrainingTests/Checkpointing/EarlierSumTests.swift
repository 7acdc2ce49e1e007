import Configuration
import Foundation
import Testing

@testable import Training

/// How a checkpoint's run added its gradients decides what continuing it gives.
@Suite struct EarlierSumTests {
  /// What is said of a checkpoint in whose state `change` was made.
  private func notices(_ change: (String) -> String) throws -> [String] {
    let scratch = try Scratch(), path = scratch.place("step-00000002")
    var job = Job("lora")
    job.config.saveSteps = 2
    _ = try job.run(job.trainer(), stopAfter: 2, writingTo: path)
    let state = "\(path)/trainer_state.json"
    let changed = change(try String(contentsOfFile: state, encoding: .utf8))
    try changed.write(toFile: state, atomically: false, encoding: .utf8)
    try FileManager.default.removeItem(atPath: "\(path)/manifest.json")
    try CheckpointRehearsal.seal(path, step: 2)
    let checkpoint = try Checkpoint(path: path)
    return try checkpoint.changes(
      checkpoint.config, fingerprint: checkpoint.fingerprint, totalSteps: checkpoint.totalSteps)
  }

  @Test func checkpointsSayHowTheySum() throws {
    #expect(try notices { $0 } == [])
    let earlier = try notices { $0.replacingOccurrences(of: ",\n  \"sum\": \"tree\"", with: "") }
    #expect(earlier.count == 1)
    #expect(earlier[0].hasSuffix("the run goes on, but not with the bits that it would have had"))
    let error = #expect(throws: CheckpointDamage.self) {
      try notices { $0.replacingOccurrences(of: "\"sum\": \"tree\"", with: "\"sum\": \"ring\"") }
    }
    let problem = "trainer_state.json: adds gradients in an order that this program does not know: ring"
    #expect(error?.description.hasSuffix(problem) == true)
  }
}
