internal import GRDB

/// Conditions on runs; a nil accepts all.
public struct RunFilter: Sendable, Equatable {
  /// The name.
  public var name: String?
  /// The task.
  public var task: String?
  /// The strategy.
  public var strategy: String?
  /// The status.
  public var status: RunStatus?
  /// The output directory, compared as text.
  public var outputDir: String?

  /// A filter; it accepts all runs by default.
  public init(
    name: String? = nil, task: String? = nil, strategy: String? = nil, status: RunStatus? = nil,
    outputDir: String? = nil
  ) {
    (self.name, self.task, self.strategy, self.status, self.outputDir) = (name, task, strategy, status, outputDir)
  }
}

extension RunStore {
  /// The run `id`.
  public func run(_ id: Int64) throws -> Run {
    guard let run = try runs({ $0.filter(key: id) }).first else { throw RunStoreError.noSuchRun(path: path, id: id) }
    return run
  }

  /// The runs that pass `filter`, oldest first.
  public func runs(_ filter: RunFilter = RunFilter()) throws -> [Run] {
    let conditions = [
      ("name", filter.name), ("task", filter.task), ("strategy", filter.strategy), ("output_dir", filter.outputDir),
    ]
    return try runs { all in
      conditions.reduce(all.order(Column("id"))) { request, condition in
        condition.1.map { request.filter(Column(condition.0) == $0) } ?? request
      }
    }
    .filter { filter.status == nil || filter.status == $0.status }
  }

  private func runs(_ request: (QueryInterfaceRequest<Run>) -> QueryInterfaceRequest<Run>) throws -> [Run] {
    try read { database in
      let abandoned = try Self.abandoned(database)
      return try request(Run.all()).rows(database).map { run in
        var run = run
        if run.status == .running, abandoned.contains(run.id) { run.status = .interrupted }
        return run
      }
    }
  }

  /// Everything measured in a run, by step.
  public func metrics(run: Int64) throws -> [MetricPoint] {
    try read { try MetricPoint.of(run: run).order(Column("step"), Column("split"), Column("name")).rows($0) }
  }

  /// A run's merges, in order.
  public func merges(run: Int64) throws -> [MergeRecord] {
    try read { try MergeRecord.of(run: run).order(Column("step"), Column.rowID).rows($0) }
  }

  /// A run's checkpoints, in order.
  public func checkpoints(run: Int64) throws -> [CheckpointRecord] {
    try read { try CheckpointRecord.of(run: run).order(Column("step")).rows($0) }
  }
}
