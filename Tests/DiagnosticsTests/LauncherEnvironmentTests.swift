import Diagnostics
import Testing

@Suite struct LauncherEnvironmentTests {
  @Test func onlyTheSignsOfALaunchGo() {
    let kept = [
      "PATH": "/bin", "SLURM_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3", "SLURM_CPUS_PER_TASK": "4", "MY_OMPI_": "x",
      "PMI": "y", "SWIFT_PEFT_MPI_LIBRARY": "libmpi.so",
    ]
    let signs = [
      "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "1", "PMI_SIZE": "4", "PMI_RANK": "1", "PMIX_RANK": "1",
      "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "1",
    ]
    #expect(LauncherEnvironment.removed(from: kept.merging(signs) { $1 }) == kept)
  }
}
