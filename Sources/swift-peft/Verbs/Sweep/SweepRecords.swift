import Configuration
import Diagnostics
import Foundation
import Reports
import RunStore
import Training

/// What the databases know of the runs of a sweep.
///
/// A run that an ordinary sweep trains is recorded in the sweep's database, one of `--only` or `--worker` in a file in
/// its own directory, since not every file system of a cluster lets several machines write one database.
struct SweepRecords {
  private let shared: RunStore?
  private let readsOwn: Bool

  /// Reads the sweep's database and, with `readsOwn`, those of the runs. A new sweep may not have a database yet.
  init(_ sweep: SweepConfig, readsOwn: Bool) throws {
    let path = sweep.database
    shared = FileManager.default.fileExists(atPath: path) ? try RunStore.openExisting(path: path) : nil
    self.readsOwn = readsOwn
  }

  /// The database of a run alone.
  static func ownDatabase(_ member: SweepConfig.Member) -> String { "\(member.config.outputDir)/run.sqlite" }

  /// The run in the directory of `member`, with the database that knows it best; nil if none knows it.
  private func found(_ member: SweepConfig.Member) throws -> (run: Run, store: RunStore)? {
    let directory = member.config.outputDir, path = Self.ownDatabase(member)
    let own =
      readsOwn && FileManager.default.fileExists(atPath: path) ? try RunStore.openExisting(path: path) : nil
    // An earlier run of this directory may be in the databases too.
    guard let token = try OutputDirectory(directory).runToken() else {
      guard let shared, let run = try shared.runs(RunFilter(outputDir: directory)).last else { return nil }
      return (run, shared)
    }
    let all = try [own, shared].compactMap(\.self).compactMap { store in
      try store.run(token: token).map { (run: try store.run($0), store: store) }
    }
    return all.first { $0.run.status == .completed } ?? all.first
  }

  /// The run of `member`; nil if there is none.
  func latest(_ member: SweepConfig.Member) throws -> Run? { try found(member)?.run }

  /// The same with everything recorded about it.
  func recorded(_ member: SweepConfig.Member) throws -> RecordedRun? {
    try found(member).map { try RecordedRun($0.run, in: $0.store) }
  }

  /// The run of `member` if it is complete. Throws if a run with another config is in its place.
  func completed(_ member: SweepConfig.Member) throws -> Run? {
    let directory = member.config.outputDir
    guard let run = try latest(member), run.status == .completed, (try? RunDirectory(directory)) != nil else {
      return nil
    }
    var stored = try RunConfig.load(text: run.details.config, file: "\(directory)/run_config.json")
    (stored.name, stored.outputDir, stored.database) = (
      member.config.name, member.config.outputDir, member.config.database
    )
    stored.task.forgetDecisions(givenBy: member.config.task)
    if stored != member.config { throw SweepError.otherConfig(directory: directory) }
    return run
  }

  /// Throws one error if finished runs with other configs are in the places of `members`. Whoever reads a run that
  /// cannot be read at all names it.
  func requireSameConfig(_ members: [SweepConfig.Member]) throws {
    let others = members.filter { member in
      do {
        _ = try completed(member)
        return false
      } catch {
        return error as? SweepError == .otherConfig(directory: member.config.outputDir)
      }
    }
    guard let first = others.first else { return }
    throw SweepError.otherConfig(directory: first.config.outputDir, more: others.count - 1)
  }
}

/// Why a sweep cannot start.
enum SweepError: UserFacingError, Equatable {
  /// The directory for one of the runs, or for `more` others too, holds a finished run with another config.
  case otherConfig(directory: String, more: Int = 0)
  /// Another process is running the same sweep.
  case locked(directory: String)
  /// `--only` names a run that the sweep does not have.
  case noSuchMember(index: Int, count: Int)
  /// `--collect` where no run has begun.
  case nothingToCollect(directory: String)

  var description: String {
    switch self {
    case .otherConfig(let directory, let more):
      (more == 0
        ? "\(directory): holds a finished run with another config"
        : "\(directory) and \(more) more: hold finished runs with another config")
        + "; choose another output_dir, or use --overwrite to retrain all runs of the sweep"
    case .locked(let directory): "\(directory): another process is running this sweep"
    case .noSuchMember(let index, let count):
      "--only \(index): the sweep has \(count == 1 ? "only run 0" : "the runs 0 to \(count - 1)"); --plan lists them"
    case .nothingToCollect(let directory):
      "\(directory): nothing to collect: no run of this sweep has begun here; --only or --worker trains them"
    }
  }

  var exitStatus: ExitStatus {
    switch self {
    case .otherConfig, .locked: .cannotCreate
    case .noSuchMember: .usage
    case .nothingToCollect: .missingInput
    }
  }
}
