import Cluster
import Configuration
import Foundation
import SimulatedCluster
import Testing

@testable import Training

/// Ranks that round otherwise are refused, or let pass with a note.
@Suite struct RankIdentityTests {
  private enum Mixed: Sendable { case nothing, library, both }

  /// What the first and the last of three ranks get, of which the last has another machine.
  private func outcomes(_ mixed: Mixed, allowsMixedMachines: Bool) -> [String] {
    let results = SimulatedCluster.run(ranks: 3) { cluster in
      var task = TaskConfig(name: "sst2")
      task.dataDir = GoldenRun.directory.appendingPathComponent("../../../configs/quickstart-data").path
      (task.maxSeqLength, task.maxTrainSamples, task.maxEvalSamples) = (32, 4, 4)
      let model = GoldenRun.directory.appendingPathComponent("bert-tiny").path
      let config = RunConfig(name: "ranks", model: model, task: task)
      var identity = RankIdentity(try TrainingData(config, threads: 1, isDryRun: false, cluster: cluster))
      let isLast = cluster.rank == 2
      identity.libraries = isLast && mixed != .nothing ? "oneDNN 9" : "OpenBLAS 1"
      identity.processor = isLast && mixed == .both ? "Z80" : "6502"
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
