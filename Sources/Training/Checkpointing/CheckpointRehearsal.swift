import Adapters
import Models

/// What `--resume` does with a run's newest checkpoint before its first step, without model and data: for the fuzzer.
package enum CheckpointRehearsal {
  /// The step and the planned end of the run in `output`; nil where it has no checkpoint.
  package static func resume(
    _ output: String, table: SiteTable, head: [HeadParameter]
  ) throws -> (step: Int, totalSteps: Int)? {
    guard let checkpoint = try CheckpointFolder(output: output).newest()?.checkpoint else { return nil }
    _ = try checkpoint.changes(
      checkpoint.config, fingerprint: checkpoint.fingerprint, totalSteps: checkpoint.totalSteps)
    _ = try checkpoint.history().records()
    let snapshot = try checkpoint.snapshot(table: table, head: head)
    var state = snapshot.state, loop = snapshot.loop
    state.step += 1
    state.skippedSteps += 1
    loop.evaluationsWithoutGain += 1
    loop.window.add(
      StepReport(
        step: state.step, epoch: 1, loss: 1, learningRate: 1, gradientNorm: 1, tokens: 1, examples: 1, seconds: 1))
    var procedure = snapshot.procedure
    _ = procedure?.afterStep(&state, wasApplied: true)
    return (snapshot.state.step, snapshot.totalSteps)
  }

  /// Takes and gives back the lock of an output directory.
  package static func lock(_ output: String) throws { _ = try OutputLock(output) }

  /// Where the checkpoint of `step` lies.
  package static func path(_ output: String, step: Int) -> String { CheckpointFolder(output: output).path(step: step) }

  /// Gives the files in `directory` the checksums of a checkpoint.
  package static func seal(_ directory: String, step: Int) throws {
    try CheckpointManifest.write(directory, step: step)
  }
}
