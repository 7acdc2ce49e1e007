import Diagnostics
import StrictJSON

/// Many runs in one config: a run config with a section `sweep`, whose members are paths of the config, each with a list
/// of the values it takes. Every combination is a run; the last path changes fastest.
///
///     "sweep": { "adapter.strategy": ["lora", "aslora"], "adapter.r": [4, 8], "training.seed": [1, 2, 3] }
///
/// A run is called after its values, and its directory lies in the config's `output_dir`.
public struct SweepConfig: Sendable {
  /// One combination.
  public struct Member: Sendable {
    /// `strategy-lora_r-4_seed-1`: the directory's name.
    public let label: String
    /// The resolved config.
    public let config: RunConfig
  }

  /// The sweep's name: that of the config.
  public let name: String
  /// Where the runs' directories lie.
  public let outputDir: String
  /// The database of all runs.
  public let database: String
  /// The paths that vary.
  public let paths: [String]
  /// The runs, in their order.
  public let members: [Member]

  /// More runs than this are a mistake.
  public static let mostRuns = 10_000

  /// The config key of the values that vary.
  static let key = "sweep"
  /// Where a run is kept follows from its values.
  static let fixed = ["name", "output_dir", "database"]

  /// Reads a sweep. Throws everything that is wrong at once, also what is wrong with single runs.
  public static func load(
    path: String, overrides: [String] = [], outputDir: String? = nil, database: String? = nil,
    catalog: Catalog = .standard
  ) throws -> SweepConfig {
    try load(ConfigSource(path: path, overrides, outputDir: outputDir, database: database), catalog)
  }

  /// Reads a sweep from `text`.
  public static func load(
    text: String, file: String = "config", name: String = "config", overrides: [String] = [],
    catalog: Catalog = .standard
  ) throws -> SweepConfig {
    try load(
      ConfigSource(Array(text.utf8), file: file, name: name, overrides, outputDir: nil, database: nil), catalog)
  }

  private static func load(_ source: ConfigSource, _ catalog: Catalog) throws -> SweepConfig {
    var source = source
    let file = source.file, line = source.node.line
    func refusal(_ line: Int, _ problem: String) -> ConfigError {
      .invalid(place: "\(file):\(line)", path: key, problem: problem)
    }
    guard var object = source.node.object, let section = object[key], !section.isNull else {
      throw refusal(line, "is missing: a sweep has a section like \"sweep\": {\"training.seed\": [1, 2, 3]}")
    }
    object[key] = nil
    source.node = JSONNode(.object(object), line: line)
    let axes = try Axis.all(in: section, file: file)
    let count = axes.reduce(1) { $0.multipliedReportingOverflow(by: $1.values.count).0 }
    guard axes.count < 64, (1...mostRuns).contains(count) else {
      throw refusal(section.line, "makes more than \(mostRuns) runs")
    }

    var errors: [ConfigError] = []
    var runs: [(label: String, config: RunConfig)] = []
    for chosen in Axis.combinations(axes) {
      let varied = chosen.map { axis, value in
        Override(flag: "\(file):\(value.line)", path: axis.path, value: value.value)
      }
      do {
        runs.append((Axis.label(chosen), try RunConfig(source, varied: varied, catalog)))
      } catch let error as ConfigError {
        errors.append(error)
      } catch let list as ErrorList {
        errors += list.errors.compactMap { $0 as? ConfigError }
      }
    }
    // A mistake that all combinations share is one mistake.
    var seen: Set<String> = []
    try ErrorList.throwIfAny(errors.filter { seen.insert($0.description).inserted })
    guard let base = runs.first?.config else { throw refusal(section.line, "is empty") }
    return SweepConfig(
      name: base.name, outputDir: base.outputDir, database: base.database, paths: axes.map(\.path),
      members: placed(runs, in: base.outputDir))
  }

  /// Names and directories. Labels that became the same are numbered.
  private static func placed(_ runs: [(label: String, config: RunConfig)], in directory: String) -> [Member] {
    var used: [String: Int] = [:]
    return runs.map { run in
      used[run.label, default: 0] += 1
      let number = used[run.label] ?? 1
      let label = number == 1 ? run.label : "\(run.label)_\(number)"
      var config = run.config
      config.name = "\(config.name)/\(label)"
      config.outputDir = "\(directory)/\(label)"
      return Member(label: label, config: config)
    }
  }

  /// A path and the values it takes.
  private struct Axis {
    let path: String
    /// The path's last parts, as many as tell it from the others.
    var short = ""
    let values: [JSONNode]

    static func all(in section: JSONNode, file: String) throws -> [Axis] {
      guard let object = section.object, object.count > 0 else {
        throw ConfigError.invalid(
          place: "\(file):\(section.line)", path: key, problem: "must be an object of paths and lists of their values")
      }
      var axes: [Axis] = [], errors: [ConfigError] = []
      for path in object.keys {
        guard let node = object[path] else { continue }
        func refuse(_ problem: String) {
          errors.append(.invalid(place: "\(file):\(node.line)", path: "\(key).\(path)", problem: problem))
        }
        if let problem = Override.problem(with: path) {
          refuse("unknown key\(problem)")
        } else if fixed.contains(path) {
          refuse("follows from the values of a run and cannot vary")
        } else if let values = node.array, !values.isEmpty {
          axes.append(Axis(path: path, values: values))
        } else {
          refuse("must be a list of values, not \(node.shown)")
        }
      }
      try ErrorList.throwIfAny(errors)
      let paths = axes.map(\.path)
      for index in axes.indices { axes[index].short = shortened(paths[index], among: paths) }
      return axes
    }

    /// One value of each axis; the last axis changes fastest.
    static func combinations(_ axes: [Axis]) -> [[(Axis, JSONNode)]] {
      axes.reduce([[]]) { chosen, axis in chosen.flatMap { one in axis.values.map { one + [(axis, $0)] } } }
    }

    /// What a directory can be called: letters, digits and `.+-`.
    static func label(_ chosen: [(Axis, JSONNode)]) -> String {
      chosen.map { axis, value in "\(axis.short)-\(text(value))" }.joined(separator: "_")
    }

    private static func text(_ value: JSONNode) -> String {
      if let list = value.array { return list.map(text).joined(separator: "+") }
      let plain = value.string ?? JSONWriter.text(value.value, pretty: false)
      let allowed = plain.unicodeScalars.map { scalar -> Character in
        let isPlain = scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
        return isPlain || ".+-".unicodeScalars.contains(scalar) ? Character(scalar) : "-"
      }
      return String(allowed.prefix(60))
    }

    private static func shortened(_ path: String, among paths: [String]) -> String {
      let parts = path.split(separator: ".")
      for count in 1...parts.count {
        let end = parts.suffix(count)
        if paths.filter({ $0.split(separator: ".").suffix(count).elementsEqual(end) }).count == 1 {
          return end.joined(separator: ".")
        }
      }
      return path
    }
  }
}
