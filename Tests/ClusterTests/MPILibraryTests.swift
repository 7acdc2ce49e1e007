import Diagnostics
import Testing

@testable import Cluster

@Suite struct MPILibraryTests {
  private func launcher(_ kind: Launcher.Kind) throws -> Launcher {
    let environment =
      switch kind {
      case .openMPI: ["OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "1"]
      case .mpich: ["PMI_SIZE": "4", "PMI_RANK": "1"]
      case .slurm: ["SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "1"]
      }
    return try #require(Launcher(environment: environment))
  }

  @Test func theLauncherChoosesTheNames() {
    let openMPI = ["libmpi.so.40", "libmpi.so"]
    let others = ["libmpi_abi.so.1", "libmpi.so.12", "libmpich.so.12", "libmpi.so"]
    #expect(MPILibrary.names(environment: ["PMIX_RANK": "1"]) == openMPI)
    #expect(MPILibrary.names(environment: [:]) == others)
  }

  /// Symbols at made-up addresses.
  private func abi(_ version: Int32, _ abiVersion: Int32, _ symbols: [String: Int]) throws -> MPIABI {
    try MPIABI(version: version, abiVersion: abiVersion, library: "libmpi.so") { name in
      symbols[name].flatMap { UnsafeMutableRawPointer(bitPattern: $0) }
    }
  }

  @Test func librariesAreRecognised() throws {
    let openMPI = ["ompi_mpi_comm_world": 0x1000, "ompi_mpi_byte": 0x2000]
    let standard = try abi(5, 1, [:]), open = try abi(3, 0, openMPI), mpich = try abi(4, 0, [:])
    #expect(standard.name == "MPI-5" && standard.world == 257 && standard.byte == 583 && standard.funneled == 1024)
    #expect(open.name == "Open MPI" && open.world == 0x1000 && open.byte == 0x2000 && open.funneled == 1)
    #expect(mpich.name == "MPICH" && mpich.world == 0x4400_0000 && mpich.byte == 0x4c00_010d && mpich.funneled == 1)
    // A draft of the ABI, and a library of version 5 in its own ABI.
    #expect(try abi(4, 1, [:]) == mpich)
    #expect(try abi(5, -1, [:]) == mpich)
    #expect(try abi(5, 0, openMPI) == open)
    #expect(try abi(5, 1, openMPI) == standard)
    #expect(throws: ClusterError.missingFunction(library: "libmpi.so", name: "ompi_mpi_byte")) {
      try abi(3, 0, ["ompi_mpi_comm_world": 0x1000])
    }
  }

  @Test func aLibraryWithoutMPIIsAnError() throws {
    let mpich = try launcher(.mpich)
    func error(_ path: String) -> ClusterError? {
      #expect(throws: ClusterError.self) { try MPILibrary(for: mpich, environment: [MPILibrary.variable: path]) }
    }
    #expect(error("libm.so.6") == .missingFunction(library: "libm.so.6", name: "MPI_Init_thread"))
    #expect(
      error("/nonexistent")
        == .cannotLoad(reason: "/nonexistent: cannot open shared object file: No such file or directory"))
  }

  @Test func theVersionIsOneLine() {
    #expect(MPILibrary.firstLine("MPICH Version:      5.0.2\nMPICH Release date: today\n\0") == "MPICH Version: 5.0.2")
    #expect(MPILibrary.firstLine("") == "")
  }

  @Test func everyErrorHasASentenceAndAStatus() throws {
    let openMPI = try launcher(.openMPI), slurm = try launcher(.slurm)
    let expected: [(ClusterError, Int32, String)] = [
      (
        .noLibrary(openMPI, names: ["libmpi.so.40", "libmpi.so"]), 66,
        "mpirun started 4 processes, but there is no libmpi.so.40 or libmpi.so: set SWIFT_PEFT_MPI_LIBRARY to your MPI "
          + "library"
      ),
      (.cannotLoad(reason: "x: no"), 66, "SWIFT_PEFT_MPI_LIBRARY: x: no"),
      (
        .missingFunction(library: "libm.so", name: "MPI_Bcast"), 66,
        "libm.so has no MPI_Bcast: set SWIFT_PEFT_MPI_LIBRARY to a library of MPI 3 or later"
      ),
      (
        .failed(library: "libmpi.so.40", function: "MPI_Bcast", code: 15), 74,
        "MPI_Bcast of libmpi.so.40 failed with code 15"
      ),
      (
        .singleThreaded(library: "libmpi.so.40"), 66,
        "libmpi.so.40 allows no threads: use a library that is built with them"
      ),
      (
        .wrongSize(openMPI, library: "libmpich.so.12", seen: 1), 66,
        "mpirun started 4 processes, but libmpich.so.12 sees 1: set SWIFT_PEFT_MPI_LIBRARY to the library of this mpirun"
      ),
      (
        .wrongSize(slurm, library: "libmpi.so.40", seen: 1), 66,
        "srun started 4 processes, but libmpi.so.40 sees 1: pass --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH)"
      ),
      (.badTimeout("soon"), 64, "SWIFT_PEFT_MPI_TIMEOUT must be a number of seconds above 0, not \"soon\""),
      (
        .waited(rank: 0, seconds: 612, place: .step(841)), 74,
        "rank 0 has waited 612 s for the others in step 841; SWIFT_PEFT_MPI_TIMEOUT sets how long it waits at least"
      ),
    ]
    for (error, status, text) in expected {
      #expect(error.description == text)
      #expect(error.exitStatus.rawValue == status)
    }
    #expect("\(ClusterPlace.start), \(ClusterPlace.end)" == "at the start, at the end")
  }
}
