import Metrics
import StrictJSON
import Tasks

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
    self.name = name
    self.model = model
    self.task = task
    self.adapter = adapter
    self.training = training
    self.outputDir = outputDir ?? "runs/\(name)"
    self.database = database
    self.catalog = catalog
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
  /// Empty text stands for "not given" until reading ends.
  static func initial(_ catalog: Catalog) -> RunConfig {
    RunConfig(name: "", model: "", task: .initial, outputDir: "", catalog: catalog)
  }

  static func fields(_ catalog: Catalog) -> [Field<RunConfig>] {
    [
      Field("name", \.name, .text.orUnset),
      Field("model", \.model, .text, required: true),
      Field("task", section: \.task, catalog, required: true),
      Field("adapter", section: \.adapter, catalog),
      Field("training", section: \.training, catalog),
      Field("output_dir", \.outputDir, .text.orUnset),
      Field("database", \.database, .text.or(defaultDatabase)),
    ]
  }
}

extension FieldKind where Value == String {
  /// Text, or null for a default that depends on other things: read as empty.
  fileprivate var orUnset: Self { or("") }

  /// Text, or null for `fallback`.
  fileprivate func or(_ fallback: String) -> Self {
    let kind = orNull
    return Self(read: { kind.read($0).map { $0 ?? fallback } }, write: write, schema: kind.schema)
  }
}
