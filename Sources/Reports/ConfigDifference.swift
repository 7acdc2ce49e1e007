import Algorithms
import StrictJSON

/// A config as a list of paths and values.
enum FlatConfig {
  /// Every value that is not an object, in the config's order; a list is one value.
  static func entries(_ node: JSONNode, at path: String = "") -> [(path: String, text: String)] {
    guard let object = node.object else {
      return path.isEmpty ? [] : [(path, text(node.value))]
    }
    return object.keys.flatMap { key in
      object[key].map { entries($0, at: path.isEmpty ? key : "\(path).\(key)") } ?? []
    }
  }

  /// Strings unchanged, everything else as JSON.
  static func text(_ value: JSONValue) -> String {
    if case .string(let text) = value { return text }
    return JSONWriter.text(value, pretty: false)
  }
}

/// The configs of several runs, value by value.
public struct ConfigDifference: Sendable {
  /// One value of the config.
  public struct Row: Sendable, Equatable {
    /// `training.learning_rate`
    public let path: String
    /// One value per run; nil if its config has none.
    public let values: [String?]
    /// Whether the runs agree.
    public var isSame: Bool { values.allSatisfy { $0 == values.first } }
  }

  /// All paths, in the order of the first config that has them.
  public let all: [Row]
  /// The paths whose values differ.
  public var rows: [Row] { all.filter { !$0.isSame } }

  /// Compares the configs of `runs`.
  public init(_ runs: [RecordedRun]) {
    let configs = runs.map { FlatConfig.entries($0.config) }
    let tables = configs.map { Dictionary($0.map { ($0.path, $0.text) }) { first, _ in first } }
    all = configs.joined().map(\.path).uniqued().map { path in Row(path: path, values: tables.map { $0[path] }) }
  }
}
