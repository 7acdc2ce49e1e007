import StrictJSON

/// A config as paths and values.
enum ConfigFields {
  /// Every value that is no object, in the config's order; a list is one value.
  static func flat(_ node: JSONNode, at path: String = "") -> [(path: String, text: String)] {
    guard let object = node.object else {
      return path.isEmpty ? [] : [(path, text(node.value))]
    }
    return object.keys.flatMap { key in
      object[key].map { flat($0, at: path.isEmpty ? key : "\(path).\(key)") } ?? []
    }
  }

  /// A string as it is, anything else as JSON.
  static func text(_ value: JSONValue) -> String {
    if case .string(let text) = value { return text }
    return JSONWriter.text(value, pretty: false)
  }
}

/// Where the configs of runs differ, and what they have there.
public struct ConfigDifference: Sendable {
  /// One value of the config.
  public struct Row: Sendable, Equatable {
    /// `training.learning_rate`
    public let path: String
    /// A value a run; nil where its config has none.
    public let values: [String?]
    /// Whether the runs agree.
    public var isSame: Bool { values.allSatisfy { $0 == values.first } }
  }

  /// Every path of any of the configs, in the order of the first that has it.
  public let all: [Row]
  /// Those on which the runs disagree.
  public var rows: [Row] { all.filter { !$0.isSame } }

  /// Compares the configs of `runs`.
  public init(_ runs: [RecordedRun]) {
    let configs = runs.map { ConfigFields.flat($0.config) }
    let tables = configs.map { Dictionary($0.map { ($0.path, $0.text) }) { first, _ in first } }
    var seen: Set<String> = []
    let paths = configs.joined().map(\.path).filter { seen.insert($0).inserted }
    all = paths.map { path in Row(path: path, values: tables.map { $0[path] }) }
  }
}
