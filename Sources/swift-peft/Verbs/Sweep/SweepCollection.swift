import Configuration
import Diagnostics
import Foundation
import RunStore

/// `sweep --collect`: brings the runs' own databases together in the sweep's.
struct SweepCollection {
  /// What came in.
  private(set) var imported = RunImport()
  /// Databases that could not be read.
  private(set) var errors: [any UserFacingError] = []

  /// Imports the runs in the order of the sweep. Throws if no run has begun, or if runs of another config are here.
  init(_ sweep: SweepConfig) throws {
    let sources = sweep.members.map(SweepRecords.ownDatabase).filter(FileManager.default.fileExists)
    if sources.isEmpty {
      let records = try SweepRecords(sweep, readsOwn: false)
      if try !sweep.members.contains(where: { try records.latest($0) != nil }) {
        throw SweepError.nothingToCollect(directory: sweep.outputDir)
      }
    }
    try SweepRecords(sweep, readsOwn: true).requireSameConfig(sweep.members)
    let store = try RunStore(path: sweep.database)
    for source in sources {
      do {
        imported.add(try store.importRuns(of: RunStore.openExisting(path: source)))
      } catch let error as any UserFacingError {
        errors.append(error)
      }
    }
  }
}
