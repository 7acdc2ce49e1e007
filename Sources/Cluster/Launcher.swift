import Foundation

/// Who started this process together with others, as its environment says.
public struct Launcher: Sendable, Equatable {
  /// The launchers that we know by their variables.
  public enum Kind: Sendable, CaseIterable {
    /// `mpirun` of Open MPI.
    case openMPI
    /// `mpirun` of MPICH and its relatives, or any other that speaks PMI.
    case mpich
    /// `srun` of Slurm.
    case slurm
  }

  /// Which one.
  public let kind: Kind
  /// How many processes it started; at least 2.
  public let ranks: Int
  /// The number of this one, from 0.
  public let rank: Int

  /// The launcher, or nil where nothing started more than one process.
  ///
  /// Of several launchers inside each other, the innermost counts: `mpirun` in a job of Slurm. A batch script of Slurm
  /// has `SLURM_NTASKS`, though it is alone; only a step has the variables below.
  public init?(environment: [String: String]) {
    for kind in Kind.allCases {
      guard let ranks = environment[kind.variables.ranks].flatMap({ Int($0) }) else { continue }
      guard ranks > 1, let rank = environment[kind.variables.rank].flatMap({ Int($0) }), 0..<ranks ~= rank else {
        return nil
      }
      (self.kind, self.ranks, self.rank) = (kind, ranks, rank)
      return
    }
    return nil
  }

  /// Ends this process, and as far as the launcher allows the others, which may wait for it. No exit handlers run.
  ///
  /// Open MPI's launcher does that where a process ends with another status than 0; MPICH's has to be told.
  public func abandon(
    _ status: Int32, environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> Never {
    if kind == .mpich, let descriptor = environment["PMI_FD"].flatMap({ Int32($0) }) {
      Self.letOutputPass()
      let request = "cmd=abort exitcode=\(status)\n"
      _ = write(descriptor, request, request.utf8.count)
    }
    _exit(status)
  }

  /// Waits before the job is ended: MPICH's launcher then drops what it has not forwarded yet, such as the reason.
  static func letOutputPass() { usleep(300_000) }

  /// Whether it ends all processes where one ends with an error. `srun` does so only if it is told.
  public var endsJobs: Bool { kind != .slurm }

  /// The program that one calls.
  public var program: String { kind == .slurm ? "srun" : "mpirun" }

  /// What to do where its processes do not find each other.
  var advice: String {
    kind == .slurm
      ? "pass --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH)"
      : "set \(MPILibrary.variable) to the library of this mpirun"
  }

  /// What to do where it binds a process to one processor.
  var bindingAdvice: String { kind == .slurm ? "pass --cpus-per-task to srun" : "pass --bind-to none to mpirun" }
}

extension Launcher.Kind {
  /// The variables with the number of processes and with the number of this one.
  fileprivate var variables: (ranks: String, rank: String) {
    switch self {
    case .openMPI: ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK")
    case .mpich: ("PMI_SIZE", "PMI_RANK")
    case .slurm: ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID")
    }
  }
}
