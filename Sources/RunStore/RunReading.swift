internal import GRDB

/// Which runs to list; a nil lets all pass.
public struct RunFilter: Sendable, Equatable {
  /// Of this name.
  public var name: String?
  /// On this task.
  public var task: String?
  /// With this strategy.
  public var strategy: String?
  /// Of this status.
  public var status: RunStatus?
  /// That write to this directory, compared as text.
  public var outputDir: String?

  /// A filter of its parts.
  public init(
    name: String? = nil, task: String? = nil, strategy: String? = nil, status: RunStatus? = nil,
    outputDir: String? = nil
  ) {
    self.name = name
    self.task = task
    self.strategy = strategy
    self.status = status
    self.outputDir = outputDir
  }
}

extension RunStore {
  /// The run `id`.
  public func run(_ id: Int64) throws -> Run {
    let rows = try read { try Row.fetchAll($0, sql: "SELECT * FROM runs WHERE id = ?", arguments: [id]) }
    guard let row = rows.first else { throw RunStoreError.noSuchRun(path: path, id: id) }
    return try Run(Fields(row: row, path: path, table: "runs"), abandoned: read(Self.abandoned))
  }

  /// The runs that pass `filter`, oldest first.
  public func runs(_ filter: RunFilter = RunFilter()) throws -> [Run] {
    let conditions: [(String, String?)] = [
      ("name", filter.name), ("task", filter.task), ("strategy", filter.strategy), ("output_dir", filter.outputDir),
    ]
    let given = conditions.compactMap { column, value in value.map { (column, $0) } }
    let condition = given.isEmpty ? "TRUE" : given.map { "\($0.0) = ?" }.joined(separator: " AND ")
    let arguments = StatementArguments(given.map(\.1))
    let abandoned = try read(Self.abandoned)
    return try all("runs", where: condition, orderedBy: "id", arguments)
      .map { try Run($0, abandoned: abandoned) }
      .filter { filter.status == nil || filter.status == $0.status }
  }

  /// Everything that was measured in a run, in the order of steps.
  public func metrics(run: Int64) throws -> [MetricRecord] {
    try all("metrics", where: "run_id = ?", orderedBy: "step, split, name", [run]).map(MetricRecord.init)
  }

  /// A run's merges, in their order.
  public func merges(run: Int64) throws -> [MergeRecord] {
    try all("merges", where: "run_id = ?", orderedBy: "step, rowid", [run]).map(MergeRecord.init)
  }

  /// A run's checkpoints, in their order.
  public func checkpoints(run: Int64) throws -> [CheckpointRecord] {
    try all("checkpoints", where: "run_id = ?", orderedBy: "step", [run]).map(CheckpointRecord.init)
  }

  private func all(
    _ table: String, where condition: String, orderedBy order: String, _ arguments: StatementArguments
  ) throws -> [Fields] {
    let sql = "SELECT * FROM \(table) WHERE \(condition) ORDER BY \(order)"
    let rows = try read { try Row.fetchAll($0, sql: sql, arguments: arguments) }
    return rows.map { Fields(row: $0, path: path, table: table) }
  }
}

/// A row whose values are checked as they are taken: other programs may have written to the file.
private struct Fields {
  let row: Row
  let path: String
  let table: String

  func optional<Value: DatabaseValueConvertible>(_ column: String) throws -> Value? {
    let stored: DatabaseValue = row[column]
    if stored.isNull { return nil }
    guard let value = Value.fromDatabaseValue(stored) else { throw damage(column, stored) }
    return value
  }

  func value<Value: DatabaseValueConvertible>(_ column: String) throws -> Value {
    guard let value: Value = try optional(column) else { throw damage(column, .null) }
    return value
  }

  func choice<Value: RawRepresentable>(_ column: String) throws -> Value where Value.RawValue == String {
    let text: String = try value(column)
    guard let value = Value(rawValue: text) else { throw damage(column, text.databaseValue) }
    return value
  }

  private func damage(_ column: String, _ stored: DatabaseValue) -> RunStoreError {
    .damaged(path: path, what: "\(table).\(column) holds \(stored)")
  }
}

extension Run {
  fileprivate init(_ row: Fields, abandoned: [Int64]) throws {
    id = try row.value("id")
    let recorded: RunStatus = try row.choice("status")
    status = recorded == .running && abandoned.contains(id) ? .interrupted : recorded
    startedAt = try row.value("started_at")
    finishedAt = try row.optional("finished_at")
    details = NewRun(
      name: try row.value("name"), model: try row.value("model"), modelType: try row.value("model_type"),
      task: try row.value("task"), strategy: try row.value("strategy"), r: try row.value("r"),
      loraAlpha: try row.value("lora_alpha"), seed: try row.value("seed"), precision: try row.value("precision"),
      threads: try row.value("threads"),
      parameters: ParameterCounts(
        adapter: try row.value("adapter_parameters"), trainable: try row.value("trainable_parameters"),
        total: try row.value("total_parameters")),
      config: try row.value("config"), outputDir: try row.value("output_dir"), version: try row.value("version"))
  }
}

extension MetricRecord {
  fileprivate init(_ row: Fields) throws {
    self.init(
      step: try row.value("step"), epoch: try row.value("epoch"), split: try row.choice("split"),
      name: try row.value("name"), value: try row.optional("value") ?? .nan)
  }
}

extension MergeRecord {
  fileprivate init(_ row: Fields) throws {
    self.init(
      step: try row.value("step"), module: try row.value("module"), lowerLayer: try row.value("lower_layer"),
      upperLayer: try row.value("upper_layer"), distance: try row.value("distance"),
      groupsLeft: try row.value("groups_left"))
  }
}

extension CheckpointRecord {
  fileprivate init(_ row: Fields) throws {
    step = try row.value("step")
    path = try row.value("path")
    createdAt = try row.value("created_at")
  }
}
