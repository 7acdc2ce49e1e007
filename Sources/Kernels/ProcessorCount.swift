import CKernels

/// The number of processors for this process.
public enum ProcessorCount {
  /// Processors that the scheduler may use for this process (a container or `taskset` may limit them); at least 1.
  public static var available: Int { max(1, Int(ck_available_processors())) }
}
