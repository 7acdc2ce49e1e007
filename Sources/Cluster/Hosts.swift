import Foundation

extension Cluster {
  /// The number of this process among those of its host, from 0.
  public var hostRank: Int { neighbours.filter { $0.rank < rank }.count }
  /// The number of processes on its host.
  public var hostSize: Int { neighbours.count }
  /// The usual number of this process's threads: the processors that it may use, shared with the ranks of its host that
  /// may use them too.
  public var threads: Int { members.threads(of: me) }

  /// What trains: `2 ranks on 1 host with 4 threads each, through libmpi.so.40`.
  public func summary(threads: Int) -> String {
    let hosts = Set(members.map(\.host)).count
    return "\(size) ranks on \(hosts == 1 ? "1 host" : "\(hosts) hosts") with "
      + (threads == 1 ? "1 thread each" : "\(threads) threads each") + (library.map { ", through \($0.name)" } ?? "")
  }

  private var neighbours: [Member] { members.filter { $0.host == me.host } }
}

extension [Member] {
  /// The usual number of `member`'s threads.
  public func threads(of member: Member) -> Int {
    let own = Set(member.processors)
    let sharing = count { $0.host == member.host && ($0 == member || !own.isDisjoint(with: $0.processors)) }
    return Swift.max(1, own.count / sharing)
  }

  /// What about the ranks' places would make them slow.
  func notices(for launcher: Launcher) -> [String] {
    let hosts = Dictionary(grouping: self, by: \.host)
    /// The processors that the ranks of `host` may use.
    func usable(_ host: String) -> Int { Set((hosts[host] ?? []).flatMap(\.processors)).count }

    var notices: [String] = []
    let bound = filter { $0.processors.count == 1 && usable($0.host) < $0.hostProcessors }
    if let first = bound.first {
      let others =
        bound.count == 1
        ? "" : bound.count == 2 ? ", and so may 1 other rank" : ", and so may \(bound.count - 1) others"
      notices.append(
        "rank \(first.rank) may use 1 of \(first.hostProcessors) processors of its host\(others): "
          + launcher.bindingAdvice)
    }
    let crowded = hosts.keys.filter { (hosts[$0] ?? []).count > usable($0) }.sorted()
    if let first = crowded.first {
      notices.append(
        "\((hosts[first] ?? []).count) ranks share \(usable(first) == 1 ? "1 processor" : "\(usable(first)) processors") "
          + "on \(first)" + (crowded.count > 1 ? ", and so do those of other hosts" : "")
          + ": one rank a host is enough, since each has threads")
    }
    return notices
  }
}

/// The name of this host, as `hostname` shows it. Foundation's may ask a name server.
func hostName() -> String {
  var name = [CChar](repeating: 0, count: 256)
  guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
  return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}
