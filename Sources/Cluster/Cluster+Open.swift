import Foundation

extension Cluster {
  /// The processes that a launcher started with this one; alone if none did. Call it on the main thread, once.
  ///
  /// Nothing of MPI is touched in a process that was started by itself. Throws a `ClusterError`.
  public static func open(environment: [String: String] = ProcessInfo.processInfo.environment) throws -> Cluster {
    guard let launcher = Launcher(environment: environment) else { return alone }
    let watchdog = Watchdog(limit: try Watchdog.limit(environment: environment), launcher: launcher)
    let library = try MPILibrary(for: launcher, environment: environment)
    let base = try watchdog.watch { try MPITransport(library, launcher: launcher) }
    let transport = WatchedTransport(base: base, watchdog: watchdog)
    let members = Cluster(transport, members: []).gatherMembers()
    return Cluster(
      transport, members: members, notices: members.notices(for: launcher), watchdog: watchdog,
      library: ClusterLibrary(name: library.name, version: library.version, abi: library.abi.name))
  }

  /// What every rank says of itself.
  private func gatherMembers() -> [Member] {
    let own = Member.current
    var writer = ByteWriter()
    writer.write(own.host)
    writer.write(own.processors)
    writer.write(own.hostProcessors)
    return gather(writer.bytes).enumerated().map { rank, bytes in
      var reader = ByteReader(bytes)
      return Member(
        rank: rank, host: reader.readText(), processors: reader.readAll(), hostProcessors: reader.read())
    }
  }
}

/// The library through which a cluster talks.
public struct ClusterLibrary: Sendable, Equatable {
  /// The file, as it was loaded.
  public let name: String
  /// What it says of itself.
  public let version: String
  /// How it writes handles: `MPI-5`, `Open MPI` or `MPICH`.
  public let abi: String
}
