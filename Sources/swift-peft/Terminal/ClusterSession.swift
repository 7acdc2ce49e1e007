import ArgumentParser
import Cluster
import Diagnostics
import Foundation

/// Runs `body` with the processes that a launcher started together with this one, or alone.
///
/// An error that all of them throw is shown by rank 0; any other ends all of them, as the rest would wait for this one.
func withCluster(_ body: (Cluster) throws -> Void) throws {
  let cluster = try ClusterSession.open()
  do {
    try body(cluster)
  } catch {
    try ClusterSession.end(cluster, error)
  }
  cluster.finish()
}

/// Verbs and errors where a launcher started several processes.
enum ClusterSession {
  /// The verbs that work in several processes. `sweep` does not share work by MPI: each process takes runs.
  private static let verbs: [any ParsableCommand.Type] = [
    Train.self, Evaluate.self, Predict.self, Generate.self, Doctor.self, Sweep.self,
  ]

  /// Who started this process with others. A run of a sweep is alone, whoever started the sweep.
  static let launcher: Launcher? =
    ParentWatch.isInSweep ? nil : Launcher(environment: ProcessInfo.processInfo.environment)

  /// Refuses `command` where several processes would do the same.
  static func requireSupport(of command: any ParsableCommand) throws {
    let type = type(of: command)
    guard launcher != nil, !verbs.contains(where: { $0 == type }) else { return }
    throw SingleProcessVerb(name: name(of: type, in: SwiftPEFT.self) ?? "this")
  }

  /// Ends this process for an error that all of them have, before they know each other.
  static func fail(_ error: any Error) -> Never {
    if let launcher, launcher.rank > 0 { exit(Failure(error).status) }
    Failure(error).exit()
  }

  fileprivate static func open() throws -> Cluster {
    if launcher == nil { return .alone }
    do {
      return try .open()
    } catch {
      if let launcher, launcher.rank > 0 {
        // Mostly rank 0 has the same error, and the launcher ends all of them before this one repeats it.
        Thread.sleep(forTimeInterval: 2)
        Failure(error, of: "rank \(launcher.rank) on \(Member.current.host)").exit()
      }
      throw error
    }
  }

  fileprivate static func end(_ cluster: Cluster, _ error: any Error) throws {
    if cluster.isAlone { throw error }
    let isCommon = error is any CommonError || error is ExitCode || Failure.isParsers(error)
    guard isCommon else {
      let failure = Failure(error, of: cluster.leads ? nil : cluster.me.name)
      failure.show()
      cluster.abort(failure.status)
    }
    cluster.finish()
    throw cluster.leads ? error : ExitCode(Failure(error).status)
  }

  /// The words after `swift-peft` that call `type`.
  private static func name(of type: any ParsableCommand.Type, in parent: any ParsableCommand.Type) -> String? {
    for child in parent.configuration.subcommands {
      if child == type { return child._commandName }
      if let rest = name(of: type, in: child) { return "\(child._commandName) \(rest)" }
    }
    return nil
  }
}

/// A launcher started several processes with a verb that has no use for them.
struct SingleProcessVerb: UserFacingError, Equatable {
  let name: String

  var description: String { "\(name) works in one process; start it without mpirun" }
  var exitStatus: Diagnostics.ExitStatus { .usage }
}
