import Cluster
import Configuration
import SimulatedCluster
import Tasks
import Testing

@testable import Training

/// Ranks that round otherwise are refused, or let pass with a note.
@Suite struct RankIdentityTests {
  private enum Mixed: Sendable { case nothing, library, both }

  /// What the first and the last of three ranks get, of which the last has another machine.
  private func outcomes(_ mixed: Mixed, allowsMixedMachines: Bool) -> [String] {
    let results = SimulatedCluster.run(ranks: 3) { cluster in
      let isLast = cluster.rank == 2
      let identity = RankIdentity(
        config: RunConfig(name: "ranks", model: "model", task: TaskConfig(name: "sst2")), model: "digest",
        libraries: isLast && mixed != .nothing ? "oneDNN 9" : "OpenBLAS 1",
        processor: isLast && mixed == .both ? "Z80" : "6502")
      return try identity.requireEqual(on: cluster, allowsMixedMachines: allowsMixedMachines)
    }
    return results.map { result in
      switch result {
      case .success(let notices): notices.joined(separator: "\n")
      case .failure(let error): "\((error as? UnequalRanks)?.exitStatus.rawValue ?? -1) \(error)"
      }
    }
  }

  private let library = "rank 2 on n2 has the library oneDNN 9, rank 0 on n1 has OpenBLAS 1"
  private let processor = "rank 2 on n2 has the processor Z80, rank 0 on n1 has 6502"

  @Test(arguments: [false, true]) func equalRanksPass(allowsMixedMachines: Bool) {
    #expect(outcomes(.nothing, allowsMixedMachines: allowsMixedMachines) == ["", "", ""])
  }

  @Test func otherMachinesAreRefused() {
    let all = "; --mixed-machines trains all the same"
    let one = "65 \(library)\(all)", two = "65 \(library)\(all)\n\(processor)\(all)"
    #expect(outcomes(.library, allowsMixedMachines: false) == [one, one, one])
    #expect(outcomes(.both, allowsMixedMachines: false) == [two, two, two])
  }

  @Test func otherMachinesAreNotedWhereTheyMayDiffer() {
    let result = ": the result depends on which rank runs where"
    let both = "\(library)\(result)\n\(processor)\(result)"
    #expect(outcomes(.both, allowsMixedMachines: true) == [both, both, both])
  }
}
