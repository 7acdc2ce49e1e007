import Foundation
import Testing

/// What the variables of a launcher do to verbs that do not use MPI. No launcher is needed for that.
@Suite struct ClusterSessionTests {
  /// Runs a command line as rank `rank` of two, with no library of MPI.
  private func run(_ sandbox: Sandbox, rank: Int, slurm: Bool = false, _ command: String) throws -> Outcome {
    let variables =
      slurm
      ? "SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=\(rank)" : "OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=\(rank)"
    return try sandbox.shell("export SWIFT_PEFT_MPI_LIBRARY=/nonexistent \(variables)\n\"$TOOL\" \(command)")
  }

  @Test(arguments: [
    ("score texts.tsv devset.csv", "score"), ("runs list", "runs list"), ("init model data", "init"),
    ("compare-params model", "compare-params"), ("schema", "schema"),
  ]) func verbsForOneProcessAreRefused(command: String, name: String) throws {
    let sandbox = try Sandbox.trainable()
    let first = try run(sandbox, rank: 0, command)
    #expect(first.status == 64 && first.out.isEmpty)
    #expect(first.err == "swift-peft: error: \(name) works in one process; start it without mpirun\n")
    let slurm = try run(sandbox, rank: 0, slurm: true, command)
    #expect(slurm.err == "swift-peft: error: \(name) works in one process; start it without srun\n")
  }

  /// What all have alike. `mpirun` ends the others when the first has told; the one that is still there has an error of
  /// its own.
  @Test func onlyTheFirstRankTells() throws {
    let sandbox = try Sandbox()
    for (command, status) in [("schema", 64), ("doctor extra", 64), ("--version", 0), ("help train", 0)]
      as [(String, Int32)]
    {
      let first = try run(sandbox, rank: 0, command), second = try run(sandbox, rank: 1, slurm: true, command)
      #expect(first.status == status && first.out.isEmpty != first.err.isEmpty)
      #expect(second.status == status && second.out.isEmpty && second.err.isEmpty)
      let left = try run(sandbox, rank: 1, command)
      #expect(left.status == status && left.out.isEmpty)
      #expect(left.err.isEmpty == (status == 0))
      #expect(status == 0 || left.err.hasPrefix("swift-peft: error: rank 1 on "))
    }
  }

  /// Workers of a sweep are started on purpose by launchers, and neither they nor their runs use MPI.
  @Test func aWorkerAndItsRunsAreAlone() throws {
    let sandbox = try SweepVerbTests.sandbox()
    let outcome = try run(sandbox, rank: 1, "sweep sweep.json --worker --json")
    #expect(outcome.status == 0, "\(outcome.err)")
    let runs = try outcome.json()["runs"]?.array ?? []
    #expect(runs.count == 4 && runs.allSatisfy { $0["status"]?.string == "completed" })
  }
}
