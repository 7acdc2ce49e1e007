import Adapters
import Diagnostics
import Foundation
import Metrics
import Models
import StrictJSON
import Tasks

/// What a config can name: model families, adapter methods, tasks, metrics.
///
/// To add your own, give the config a copy of `standard` with one more entry; nothing else changes.
public struct Catalog: Sendable {
  /// The families that a model's `model_type` can name.
  public var architectures: [Architecture]
  /// The methods that `adapter.strategy` can name.
  public var methods: [AdapterMethod]
  /// The tasks that `task.name` can name.
  public var tasks: [Task]
  /// The metrics that tasks are scored by.
  public var metrics: [Metric]

  /// A catalog; what is not given is that of the command line.
  public init(
    architectures: [Architecture] = Architecture.all,
    methods: [AdapterMethod] = AdapterMethod.all, tasks: [Task] = Task.all, metrics: [Metric] = Metric.all
  ) {
    (self.architectures, self.methods, self.tasks, self.metrics) = (architectures, methods, tasks, metrics)
  }

  /// That of the command line.
  public static let standard = Catalog()
}

/// One run as its config describes it: every value in range, the values fit each other.
///
///     let config = try RunConfig.load(path: "configs/quickstart.json", overrides: ["training.seed=7"])
public struct RunConfig: Sendable {
  /// What the run is called; default: the config file's name without its extension.
  public var name: String
  /// A directory in HF layout, or a Hub id.
  public var model: String
  /// The data set.
  public var task: TaskConfig
  /// The adapter.
  public var adapter: AdapterConfig
  /// How it is trained.
  public var training: TrainingConfig
  /// Where the results go; default: `runs/NAME`.
  public var outputDir: String
  /// The database that the run is written to.
  public var database: String
  /// What the config can name.
  public let catalog: Catalog

  /// The default of `database`.
  public static let defaultDatabase = "runs/swift-peft.sqlite"

  /// A run with the defaults of a config that gives no more than this.
  public init(
    name: String, model: String, task: TaskConfig, adapter: AdapterConfig = AdapterConfig(),
    training: TrainingConfig = TrainingConfig(), outputDir: String? = nil, database: String = defaultDatabase,
    catalog: Catalog = .standard
  ) {
    (self.name, self.model, self.task, self.adapter, self.training) = (name, model, task, adapter, training)
    (self.outputDir, self.database, self.catalog) = (outputDir ?? "runs/\(name)", database, catalog)
  }

  /// Reads a config file (JSON; comments and trailing commas are accepted).
  ///
  /// `overrides` are `path.to.key=value`, the last one on a key counts; `outputDir` and `database` override them.
  /// Throws everything that is wrong at once, each problem with its place.
  public static func load(
    path: String, overrides: [String] = [], outputDir: String? = nil, database: String? = nil,
    catalog: Catalog = .standard
  ) throws -> RunConfig {
    try RunConfig(ConfigSource(path: path, overrides, outputDir: outputDir, database: database), catalog)
  }

  /// Reads a config from `text`; `file` names it in errors, `name` is the run's name where the text gives none.
  public static func load(
    text: String, file: String = "config", name: String = "config", overrides: [String] = [],
    outputDir: String? = nil, database: String? = nil, catalog: Catalog = .standard
  ) throws -> RunConfig {
    try RunConfig(
      ConfigSource(Array(text.utf8), file: file, name: name, overrides, outputDir: outputDir, database: database),
      catalog)
  }

  /// `varied` stand after the overrides: they are what a sweep varies.
  init(_ source: ConfigSource, varied: [Override] = [], _ catalog: Catalog) throws {
    let overrides = source.overrides + varied
    let node = overrides.reduce(source.node) { $0.replacing($1.path.split(separator: "."), with: $1.value) }
    var problems = ConfigProblems(file: source.file, overrides: overrides), config = RunConfig.blank(catalog)
    config.read(node, path: "", catalog, problems: &problems)
    // A rule is not asked about values that are wrong by themselves.
    let rules = ConfigRule.all.filter { !([$0.path] + $0.others).contains(where: problems.concerns) }
    for rule in rules {
      guard let problem = rule.problem(config) else { continue }
      problems.add(rule.path, line: node.line(of: rule.path.split(separator: ".")), problem)
    }
    try ErrorList.throwIfAny(source.misuses + problems.errors)
    if config.name.isEmpty { config.name = source.name }
    if config.outputDir.isEmpty { config.outputDir = "runs/\(config.name)" }
    self = config
  }

  /// The task that the config names. Throws where the catalog has none of that name.
  public func knownTask() throws -> Task { try catalog.tasks.named(task.name) }

  /// The metric that ranks models, where the task or the catalog has it.
  public var rankingMetric: Metric? {
    let metrics = ((try? knownTask())?.metrics ?? []) + catalog.metrics
    return metrics.first { $0.name == training.rankingMetric }
  }

  /// The config as `run_config.json` holds it: all defaults included; reading it back gives an equal value.
  public func jsonText() -> String { JSONWriter.text(json, pretty: true) }
}

extension RunConfig: Equatable {
  /// Configs are the same if their JSON is.
  public static func == (one: RunConfig, other: RunConfig) -> Bool { one.json == other.json }
}

extension RunConfig: ConfigSection {
  /// What is there before anything is read: empty text stands for "not given" until reading ends.
  static func blank(_ catalog: Catalog) -> RunConfig {
    RunConfig(name: "", model: "", task: TaskConfig(name: ""), outputDir: "", catalog: catalog)
  }

  static func fields(_ catalog: Catalog) -> [Field<RunConfig>] {
    [
      Field("name", \.name, .text.or("")),
      Field("model", \.model, .text, required: true),
      Field("task", section: \.task, catalog, required: true),
      Field("adapter", section: \.adapter, catalog),
      Field("training", section: \.training, catalog),
      Field("output_dir", \.outputDir, .text.or("")),
      Field("database", \.database, .text.or(defaultDatabase)),
    ]
  }
}

/// A config file, and the values of the command line that replace its own.
struct ConfigSource {
  var node: JSONNode
  let file: String
  /// The run's name where the config gives none.
  let name: String
  private(set) var overrides: [Override] = []
  private(set) var misuses: [ConfigError] = []

  /// Reads a file or a pipe; the run is named after the file, without its last extension.
  init(path: String, _ overrides: [String], outputDir: String?, database: String?) throws {
    let bytes: [UInt8]
    do { bytes = try InputFile.read(path, limit: InputFile.textLimit, allowsPipe: true) } catch {
      throw error == .system(ENOENT)
        ? ConfigError.missing(file: path) : ConfigError.unreadable(file: path, reason: error.description)
    }
    let name = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
    try self.init(bytes, file: path, name: name, overrides, outputDir: outputDir, database: database)
  }

  init(
    _ bytes: [UInt8], file: String, name: String, _ overrides: [String], outputDir: String?, database: String?
  ) throws {
    node = try JSONParser.parse(bytes, file: file, dialect: .config)
    (self.file, self.name) = (file, name)
    for text in overrides {
      do { self.overrides.append(try Override(parsing: text)) } catch { misuses.append(error) }
    }
    for (flag, path, value) in [("--output-dir", "output_dir", outputDir), ("--database", "database", database)] {
      if let value { self.overrides.append(Override(flag: flag, path: path, value: .string(value))) }
    }
  }
}

/// A value from the command line that replaces one of the file's.
struct Override: Sendable {
  /// The flag, as messages name it: `--set training.seed`, `--output-dir`.
  let flag: String
  let path: String
  let value: JSONValue
}

extension Override {
  /// From `path.to.key=value`, where the value is JSON or else bare text.
  init(parsing text: String) throws(ConfigError) {
    guard let equals = text.firstIndex(of: "="), equals > text.startIndex else { throw .malformedOverride(text) }
    let path = String(text[..<equals]), bare = String(text[text.index(after: equals)...])
    if let hint = Self.problem(with: path) { throw .unknownOverride(path: path, suggestion: hint) }
    self.init(flag: "--set " + path, path: path, value: (try? JSONParser.parse(bare).value) ?? .string(bare))
  }

  /// What follows "unknown key" in a message about a path that no config has; nil for a path that there is.
  static func problem(with path: String) -> String? {
    var known = RunConfig.schema
    var parent = ""
    for key in path.split(separator: ".", omittingEmptySubsequences: false).map(String.init) {
      guard let found = known.first(where: { $0.key == key }) else {
        return known.isEmpty ? ", \(parent) has no keys below it" : suggestion(for: key, in: known, at: parent)
      }
      known = found.below
      parent = joined(parent, key)
    }
    return nil
  }
}

extension JSONNode {
  /// This object with `value` at `path`; sections on the way that are absent or null are made.
  ///
  /// A section that is something else stays: reading it reports that.
  fileprivate func replacing(_ path: some Collection<Substring>, with value: JSONValue) -> JSONNode {
    guard let first = path.first else { return JSONNode(value, line: line) }
    guard var object = isNull ? JSONObject() : object else { return self }
    let member = object[String(first)] ?? JSONNode(.null, line: line)
    object[String(first)] = member.replacing(Array(path.dropFirst()), with: value)
    return JSONNode(.object(object), line: line)
  }

  /// The line of the deepest value on the way to `path`.
  fileprivate func line(of path: some Sequence<Substring>) -> Int {
    var node = self
    for key in path {
      guard let member = node[String(key)] else { break }
      node = member
    }
    return node.line
  }
}
