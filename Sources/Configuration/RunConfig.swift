import StrictJSON

/// One run as its config describes it: every value in range, the values fit each other.
///
///     let config = try RunConfig.load(path: "configs/quickstart.json", overrides: ["training.seed=7"])
public struct RunConfig: Sendable, Equatable {
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

  /// The default of `database`.
  public static let defaultDatabase = "runs/swift-peft.sqlite"

  /// A run with the defaults of a config that gives no more than this.
  public init(
    name: String, model: String, task: TaskConfig, adapter: AdapterConfig = AdapterConfig(),
    training: TrainingConfig = TrainingConfig(), outputDir: String? = nil, database: String = defaultDatabase
  ) {
    self.name = name
    self.model = model
    self.task = task
    self.adapter = adapter
    self.training = training
    self.outputDir = outputDir ?? "runs/\(name)"
    self.database = database
  }

  /// The config as `run_config.json` holds it: all defaults included; reading it back gives an equal value.
  public func jsonText() -> String { JSONWriter.text(json, pretty: true) }
}

extension RunConfig: ConfigSection {
  /// Empty text stands for "not given" until reading ends.
  static let initial = RunConfig(name: "", model: "", task: .initial, outputDir: "")

  static let fields: [Field<RunConfig>] = [
    Field("name", \.name, .text.orUnset),
    Field("model", \.model, .text, required: true),
    Field("task", section: \.task, required: true),
    Field("adapter", section: \.adapter),
    Field("training", section: \.training),
    Field("output_dir", \.outputDir, .text.orUnset),
    Field("database", \.database, .text.or(defaultDatabase)),
  ]
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
