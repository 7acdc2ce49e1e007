import Foundation
import StrictJSON
import Testing

/// The real program under real launchers: that ranks find each other, and what one reads where they do not.
@Suite(.enabled(if: !MPIRun.installed.isEmpty, MPIRun.missing), .serialized)
struct ClusterDoctorTests {
  @Test(arguments: MPIRun.installed) func showsAllRanks(launcher: MPIRun) throws {
    let outcome = try launcher.run(ranks: 2, ["doctor", "--json"], in: Sandbox())
    #expect(outcome.status == 0, "\(outcome.err)")
    // All of stdout is one document: only rank 0 prints.
    let cluster = try #require(try outcome.json()["cluster"]), ranks = cluster["ranks"]?.array ?? []
    #expect(ranks.map { $0["rank"]?.integer } == [0, 1])
    #expect(Set(ranks.map { $0["host"]?.string }).count == 1)
    #expect(ranks.allSatisfy { ($0["default_threads"]?.integer ?? 0) > 0 })
    #expect(ranks.allSatisfy { ($0["gemm_gflops"]?.number ?? 0) > 0 })
    #expect(cluster["library"]?["abi"]?.string == launcher.abi)
    #expect((cluster["latency_microseconds"]?.number ?? 0) > 0)
    let sums = cluster["sums"]?.array ?? []
    #expect(sums.map { $0["sent_bytes"]?.integer } == [1_000_000, 16_000_000])
    #expect(sums.allSatisfy { ($0["milliseconds"]?.number ?? 0) > 0 })
  }

  @Test(arguments: MPIRun.installed) func showsAllRanksAsText(launcher: MPIRun) throws {
    let outcome = try launcher.run(ranks: 2, ["doctor"], in: Sandbox())
    #expect(outcome.status == 0)
    let lines = outcome.out.split(separator: "\n")
    #expect(lines.filter { $0.hasPrefix("cluster ") && $0.hasSuffix(" 2 ranks on 1 host") }.count == 1)
    #expect(lines.filter { $0.hasPrefix("MPI library ") && $0.contains("ABI of \(launcher.abi)") }.count == 1)
    #expect(lines.filter { $0.hasPrefix("rank  host") }.count == 1)
    #expect(lines.filter { $0.hasPrefix("sum of 16 MB ") }.count == 1)
  }

  /// One process is alone: it does not miss MPI.
  @Test(arguments: MPIRun.installed) func oneRankTouchesNoLibrary(launcher: MPIRun) throws {
    let outcome = try launcher.run(
      ranks: 1, ["doctor", "--json"], in: Sandbox(), environment: ["SWIFT_PEFT_MPI_LIBRARY": "/nonexistent"])
    #expect(outcome.status == 0)
    let json = try outcome.json()
    #expect(json["cluster"]?.isNull == true)
  }

  /// Runs on two ranks, and expects the status and, once, the sentence.
  private func expect(
    _ launcher: MPIRun, _ arguments: [String], _ environment: [String: String] = [:], status: Int32, says text: String
  ) throws {
    let outcome = try launcher.run(ranks: 2, arguments, in: Sandbox(), environment: environment)
    let lines = outcome.errorLines.filter { $0.hasPrefix("swift-peft: error: ") }
    #expect(outcome.status == status)
    #expect(lines == ["swift-peft: error: \(text)"])
    #expect(outcome.out.isEmpty)
  }

  @Test(arguments: MPIRun.installed) func verbsForOneProcessAreRefused(launcher: MPIRun) throws {
    try expect(
      launcher, ["merge", "run", "--output", "merged"], status: 64,
      says: "merge works in one process; start it without mpirun")
    try expect(
      launcher, ["runs", "list"], status: 64, says: "runs list works in one process; start it without mpirun")
  }

  @Test(arguments: MPIRun.installed) func wrongUsageAndHelpAreShownOnce(launcher: MPIRun) throws {
    try expect(launcher, ["doctor", "extra"], status: 64, says: "Unexpected argument 'extra'")
    for arguments in [["doctor", "--help"], ["help", "doctor"]] {
      let help = try launcher.run(ranks: 2, arguments, in: Sandbox())
      #expect(help.status == 0 && help.out.split(separator: "\n").filter { $0.hasPrefix("OVERVIEW") }.count == 1)
    }
  }

  @Test(arguments: MPIRun.installed) func aMissingLibraryIsAnError(launcher: MPIRun) throws {
    try expect(
      launcher, ["doctor"], ["SWIFT_PEFT_MPI_LIBRARY": "/nonexistent"], status: 66,
      says: "SWIFT_PEFT_MPI_LIBRARY: /nonexistent: cannot open shared object file: No such file or directory")
  }

  /// The ranks would not see each other, and each would train all.
  @Test(.enabled(if: MPIRun.installed.count == 2, "needs mpirun.openmpi and mpirun.mpich"), arguments: MPIRun.installed)
  func theLibraryOfAnotherLauncherIsAnError(launcher: MPIRun) throws {
    let library = launcher.other.library
    try expect(
      launcher, ["doctor"], ["SWIFT_PEFT_MPI_LIBRARY": library], status: 66,
      says:
        "mpirun started 2 processes, but \(library) sees 1: set SWIFT_PEFT_MPI_LIBRARY to the library of this mpirun")
  }

  @Test(arguments: MPIRun.installed) func aWrongTimeoutIsAnError(launcher: MPIRun) throws {
    try expect(
      launcher, ["doctor"], ["SWIFT_PEFT_MPI_TIMEOUT": "soon"], status: 64,
      says: "SWIFT_PEFT_MPI_TIMEOUT must be a number of seconds above 0, not \"soon\"")
  }

  /// An error on one rank, for which the other waits already, ends both.
  @Test(arguments: MPIRun.installed) func anErrorOfOneRankEndsAll(launcher: MPIRun) throws {
    let groups = [
      MPIRun.Group(ranks: 1, arguments: ["doctor"]),
      MPIRun.Group(ranks: 1, environment: ["SWIFT_PEFT_MPI_LIBRARY": "/nonexistent"], arguments: ["doctor"]),
    ]
    let outcome = try launcher.run(groups, in: Sandbox())
    #expect(outcome.status == 66)
    let lines = outcome.errorLines.filter { $0.hasPrefix("swift-peft: error: rank 1 on ") }
    #expect(lines.count == 1 && lines[0].contains(": SWIFT_PEFT_MPI_LIBRARY: /nonexistent: "))
  }

  /// The second process is no rank at all.
  @Test(arguments: MPIRun.installed) func theWatchdogEndsAWait(launcher: MPIRun) throws {
    let groups = [
      MPIRun.Group(ranks: 1, arguments: ["doctor"]), MPIRun.Group(ranks: 1, arguments: ["500"], program: "sleep"),
    ]
    let outcome = try launcher.run(groups, in: Sandbox(), environment: ["SWIFT_PEFT_MPI_TIMEOUT": "2"])
    #expect(outcome.status == 74)
    let lines = outcome.errorLines.filter { $0.hasPrefix("swift-peft: error: rank 0 has waited ") }
    #expect(lines.count == 1)
    #expect(lines.first?.hasSuffix(" s for the others at the start; SWIFT_PEFT_MPI_TIMEOUT sets how long it waits at least") == true)
  }
}
