import Foundation

/// The private directories with checkpoints that rank 0 sent. Their names have the process, so that those of killed
/// processes can be told.
enum ReceivedCheckpoints {
  private static let prefix = "swift-peft-checkpoint-"

  /// A path for a new one in `parent`. Removes what this user's dead processes left there.
  static func newPath(in parent: String = NSTemporaryDirectory()) -> String {
    removeAbandoned(in: parent)
    return "\(parent)/\(prefix)\(getpid())-\(UUID().uuidString)"
  }

  private static func removeAbandoned(in parent: String) {
    let files = FileManager.default
    for name in (try? files.contentsOfDirectory(atPath: parent)) ?? [] where name.hasPrefix(prefix) {
      let path = "\(parent)/\(name)"
      guard let process = name.dropFirst(prefix.count).split(separator: "-").first.flatMap({ pid_t($0) }),
        process > 0, kill(process, 0) != 0, errno == ESRCH,
        let owner = try? files.attributesOfItem(atPath: path)[.ownerAccountID] as? NSNumber,
        owner.uint32Value == getuid()
      else { continue }
      // Another process of this run may do the same at the same time.
      try? files.removeItem(atPath: path)
    }
  }
}
