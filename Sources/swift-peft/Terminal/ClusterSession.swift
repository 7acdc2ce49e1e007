import ArgumentParser
import Checkpoints
import Cluster
import Diagnostics
import Foundation
import Training

/// Runs `body` with the processes that a launcher started together with this one, or alone. `command` is the verb, with
/// the flags that make another of it: all must have the same.
///
/// An error that all of them throw is shown by rank 0; any other ends all of them, as the rest would wait for this one.
func withCluster(_ command: String, _ body: (Cluster) throws -> Void) throws {
  let cluster = try ClusterSession.open()
  do {
    try UnequalCommands.refuse(command, on: cluster)
    try body(cluster)
  } catch {
    try ClusterSession.end(cluster, error)
  }
  // Rank 0 may still be printing, scoring or planning.
  cluster.patiently { cluster.wait() }
  cluster.finish()
}

/// Verbs and errors where a launcher started several processes.
enum ClusterSession {
  /// The verbs that work in several processes. `sweep` does not share work by MPI: each worker takes runs of its own.
  private static let verbs: [any ParsableCommand.Type] = [
    Train.self, Evaluate.self, Predict.self, Generate.self, Doctor.self, Sweep.self,
  ]

  /// Who started this process with others. A run of a sweep is alone, whoever started the sweep.
  static let launcher: Launcher? =
    ParentWatch.isInSweep ? nil : Launcher(environment: ProcessInfo.processInfo.environment)

  /// Refuses `command` where several processes would do the same. Help is shown by the first of them.
  static func requireSupport(of command: any ParsableCommand) throws {
    let type = type(of: command)
    if let launcher, let sweep = command as? Sweep, !sweep.parts.worker {
      throw SingleProcessVerb(
        name: Sweep._commandName, launcher: launcher.program,
        alternative: "with --worker, by which every process takes runs of its own")
    }
    guard let launcher, !verbs.contains(where: { $0 == type }) else { return }
    if let name = name(of: type, in: SwiftPEFT.self) { throw SingleProcessVerb(name: name, launcher: launcher.program) }
    if launcher.rank > 0 { exit(0) }
  }

  /// Ends this process for an error that all of them have, before they know each other. Rank 0 shows it.
  static func fail(_ error: any Error) -> Never {
    let failure = Failure(error)
    guard let launcher else { failure.exit() }
    if launcher.rank == 0 {
      failure.show()
    } else if failure.status != 0 {
      // Rank 0 must not be ended before it has shown the error. If it has none, this process is still there.
      Thread.sleep(forTimeInterval: patience)
      if launcher.endsJobs { Failure(error, of: "rank \(launcher.rank) on \(Member.current.host)").show() }
    }
    if failure.status == 0 { exit(0) }
    launcher.abandon(failure.status)
  }

  /// Seconds in which rank 0 can show its error.
  private static let patience = 5.0

  fileprivate static func open() throws -> Cluster {
    guard let launcher else { return .alone }
    do {
      return try .open()
    } catch {
      if (error as? ClusterError)?.isCommon == true { fail(error) }
      if launcher.rank > 0 {
        // Mostly rank 0 has the same error and ends all of them before this one repeats it.
        Thread.sleep(forTimeInterval: patience)
      }
      let failure = Failure(error, of: launcher.rank > 0 ? "rank \(launcher.rank) on \(Member.current.host)" : nil)
      failure.show()
      launcher.abandon(failure.status)
    }
  }

  fileprivate static func end(_ cluster: Cluster, _ error: any Error) throws {
    if cluster.isAlone { throw error }
    let failure = Failure(error, of: cluster.leads ? nil : cluster.me.name)
    let isCommon = error is any CommonError || error is ExitCode || Failure.isParsers(error)
    if cluster.leads || !isCommon { failure.show() }
    if !isCommon { cluster.abort(failure.status) }
    // The first process that ends may make the launcher end the others, so all wait for what rank 0 shows.
    cluster.wait()
    cluster.finish()
    throw ExitCode(failure.status)
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

/// Ranks that were started with other verbs, or from other programs.
struct UnequalCommands: CommonError, Equatable {
  let description: String
  var exitStatus: Diagnostics.ExitStatus { .badInput }

  /// Throws on all ranks unless all run `command` of the same program. This is the first thing that they exchange.
  static func refuse(_ command: String, on cluster: Cluster) throws {
    if cluster.isAlone { return }
    let program = (try? Digest.ofFile("/proc/self/exe")) ?? ProductVersion.current
    let ranks = cluster.gather(Array("\(command)\n\(program)".utf8)).map { bytes in
      String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }
    let first = cluster.members[0].name
    for (member, rank) in zip(cluster.members, ranks).dropFirst() where rank != ranks[0] {
      throw UnequalCommands(
        description: rank.first == ranks[0].first
          ? "\(member.name) runs another build of swift-peft than \(first)"
          : "\(member.name) runs \(rank.first ?? ""), \(first) runs \(ranks[0].first ?? "")")
    }
  }
}

/// A launcher started several processes with a verb that has no use for them.
struct SingleProcessVerb: UserFacingError, Equatable {
  let name: String
  let launcher: String
  /// How else to start it.
  var alternative: String?

  var description: String {
    "\(name) works in one process; start it without \(launcher)" + (alternative.map { ", or \($0)" } ?? "")
  }
  var exitStatus: Diagnostics.ExitStatus { .usage }
}
