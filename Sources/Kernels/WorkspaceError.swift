import Diagnostics

/// Activations need more address space than the process can have, which `ulimit -v` or a container limits.
public struct WorkspaceError: UserFacingError, Equatable {
  /// Bytes that are needed, at least.
  public let needed: Int
  /// Bytes that could be reserved.
  public let available: Int

  /// Needed and available bytes, and what to change.
  public var description: String {
    """
    activations need at least \(gibibytes(needed)) GiB of address space, and \(gibibytes(available)) GiB are available: \
    use a smaller batch, shorter sequences, fewer threads or gradient checkpointing, or raise the limit (ulimit -v)
    """
  }

  /// 74: reading or writing failed while running.
  public var exitStatus: ExitStatus { .ioError }

  private func gibibytes(_ bytes: Int) -> String {
    let tenths = (Double(bytes) / Double(1 << 30) * 10).rounded(.up) / 10
    return tenths < 10 ? String(tenths) : String(Int(min(tenths, 1e12)))
  }
}
