/// The variables by which `mpirun` and `srun` tell a process that it is one of several that work together.
public enum LauncherEnvironment {
  /// Of Open MPI, PMIx and the process managers of MPICH.
  private static let prefixes = ["OMPI_", "PMIX_", "PMI_"]
  /// Of Slurm's steps. Its other variables describe the allocation, which stays true for child processes.
  private static let names: Set = ["SLURM_STEP_NUM_TASKS", "SLURM_PROCID"]

  /// `environment` for a process of its own: a child that inherited these variables would wait for the others.
  public static func removed(from environment: [String: String]) -> [String: String] {
    environment.filter { variable in
      !names.contains(variable.key) && !prefixes.contains { variable.key.hasPrefix($0) }
    }
  }
}
