import Foundation
import Testing

/// The launchers of MPI under which tests run the program, with the names that Debian gives them.
enum MPIRun: String, CaseIterable, Sendable {
  case openMPI = "mpirun.openmpi"
  case mpich = "mpirun.mpich"

  /// Those of this machine.
  static let installed = allCases.filter { $0.path != nil }
  /// Why a test is skipped where there are none.
  static let missing: Comment = "needs mpirun.openmpi or mpirun.mpich: apt-get install openmpi-bin mpich"

  /// Processes with the same command line.
  struct Group {
    let ranks: Int
    var environment: [String: String] = [:]
    /// Arguments of `swift-peft`.
    let arguments: [String]
    /// Another program, with the arguments.
    var program: String?
  }

  /// The program.
  private var path: String? {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    return folders.map { "\($0)/\(rawValue)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  /// The library that belongs to it.
  var library: String { self == .openMPI ? "libmpi.so.40" : "libmpich.so.12" }
  /// How `swift-peft doctor` calls it.
  var abi: String { self == .openMPI ? "Open MPI" : "MPICH" }
  /// A launcher whose library is another.
  var other: MPIRun { self == .openMPI ? .mpich : .openMPI }

  /// Lets root start ranks, and ranks that wait leave their processor to those that work.
  private static let environment = [
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_mpi_yield_when_idle": "1",
  ]

  /// Runs `swift-peft` in `sandbox` on so many ranks, to its end. At most two ranks under MPICH are fast on two
  /// processors, since they never leave one.
  func run(
    ranks: Int, _ arguments: [String], in sandbox: Sandbox, environment: [String: String] = [:]
  ) throws -> Outcome {
    try run([Group(ranks: ranks, arguments: arguments)], in: sandbox, environment: environment)
  }

  /// Runs processes that differ.
  func run(_ groups: [Group], in sandbox: Sandbox, environment: [String: String] = [:]) throws -> Outcome {
    // The directory must stay until the end.
    try withExtendedLifetime(sandbox) { try start(groups, in: sandbox, environment: environment).finish() }
  }

  /// Starts it.
  func start(
    ranks: Int, _ arguments: [String], in sandbox: Sandbox, environment: [String: String] = [:]
  ) throws -> Command {
    try start([Group(ranks: ranks, arguments: arguments)], in: sandbox, environment: environment)
  }

  /// Starts processes that differ.
  func start(_ groups: [Group], in sandbox: Sandbox, environment: [String: String] = [:]) throws -> Command {
    let tool = try Tool.path()
    let commands = groups.map { group in
      let variables = group.environment.map { "\($0.key)=\($0.value)" }.sorted()
      return ["-n", "\(group.ranks)", "env"] + variables + [group.program ?? tool] + group.arguments
    }
    let options = self == .openMPI ? ["--oversubscribe", "--bind-to", "none"] : ["-bind-to", "none"]
    return try Command(
      executable: path ?? rawValue, options + commands.joined(separator: [":"]), in: sandbox.path, input: "",
      environment: Self.environment.merging(environment) { $1 })
  }
}
