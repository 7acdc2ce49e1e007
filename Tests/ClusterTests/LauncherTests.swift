import Testing

@testable import Cluster

@Suite struct LauncherTests {
  /// The kind, the number of processes and the own number; `alone` where nothing started several.
  private func found(_ environment: [String: String]) -> String {
    Launcher(environment: environment).map { "\($0.kind) \($0.rank)/\($0.ranks)" } ?? "alone"
  }

  @Test func knowsTheLaunchers() {
    #expect(found([:]) == "alone")
    #expect(found(["OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3"]) == "openMPI 3/4")
    #expect(found(["PMI_SIZE": "2", "PMI_RANK": "0"]) == "mpich 0/2")
    #expect(found(["SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "7", "SLURM_NTASKS": "8"]) == "slurm 7/8")
  }

  /// One process is alone, however it was started, and so is a batch script of a job that has many tasks.
  @Test func oneProcessIsAlone() {
    #expect(found(["OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"]) == "alone")
    #expect(found(["PMI_SIZE": "1", "PMI_RANK": "0"]) == "alone")
    #expect(found(["SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"]) == "alone")
    #expect(found(["SLURM_NTASKS": "8", "SLURM_PROCID": "0"]) == "alone")
    #expect(found(["PMI_SIZE": "2"]) == "alone")
    #expect(found(["PMI_SIZE": "2", "PMI_RANK": "2"]) == "alone")
    #expect(found(["PMI_SIZE": "two", "PMI_RANK": "0"]) == "alone")
  }

  /// `mpirun` in a step of Slurm started what counts.
  @Test func theInnermostCounts() {
    let step = ["SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "7"]
    #expect(
      found(step.merging(["OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"]) { $1 }) == "openMPI 1/2")
    #expect(found(step.merging(["PMI_SIZE": "1", "PMI_RANK": "0"]) { $1 }) == "alone")
  }

  /// Nothing of MPI is touched without a launcher: not even a library that is not there is missed.
  @Test func aloneNothingIsLoaded() throws {
    let environment = [MPILibrary.variable: "/nonexistent", Watchdog.variable: "never"]
    #expect(try Cluster.open(environment: environment).isAlone)
  }
}
