import Foundation

/// How many processors there are for this process.
public enum ProcessorCount {
  /// Processors that the scheduler may run this process on (its affinity), as a container or `taskset` limits them.
  public static var available: Int {
    #if os(Linux)
      var set = cpu_set_t()
      if sched_getaffinity(0, MemoryLayout<cpu_set_t>.size, &set) == 0 {
        let count = withUnsafeBytes(of: &set) { $0.reduce(0) { $0 + $1.nonzeroBitCount } }
        if count > 0 { return count }
      }
    #endif
    return ProcessInfo.processInfo.activeProcessorCount
  }
}
