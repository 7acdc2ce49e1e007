import CKernels

/// How many processors there are for this process.
public enum ProcessorCount {
  /// Processors that the scheduler may run this process on, as a container or `taskset` limits them; at least 1.
  public static var available: Int { max(1, Int(ck_available_processors())) }
}
