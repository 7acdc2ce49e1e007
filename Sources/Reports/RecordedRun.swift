import Metrics
import RunStore
import StrictJSON

/// A run with everything that the database has of it.
public struct RecordedRun: Sendable {
  /// Its row.
  public let run: Run
  /// Everything measured, in the order of steps.
  public let metrics: [MetricPoint]
  /// ASLoRA's merges, in their order.
  public let merges: [MergeRecord]
  /// The resolved config; empty where the row holds something else.
  public let config: JSONNode

  /// A run of its parts.
  public init(run: Run, metrics: [MetricPoint], merges: [MergeRecord]) {
    self.run = run
    self.metrics = metrics
    self.merges = merges
    config = (try? JSONParser.parse(run.details.config)) ?? JSONNode(.object(JSONObject()))
  }

  /// The run `id` of `store`.
  public init(_ id: Int64, in store: RunStore) throws {
    try self.init(store.run(id), in: store)
  }

  /// A run that `store` has listed.
  public init(_ run: Run, in store: RunStore) throws {
    self.init(run: run, metrics: try store.metrics(run: run.id), merges: try store.merges(run: run.id))
  }

  /// The values of a metric, in the order of steps.
  public func series(_ split: Split, _ name: String) -> [MetricPoint] {
    metrics.filter { $0.split == split && $0.name == name }
  }

  /// What the state that the run ended with scored on `split`, the main metric first.
  ///
  /// That is the last evaluation; with `load_best_model_at_end` the best one by the run's own metric.
  public func scores(_ split: Split = .validation) -> [MetricPoint] {
    let all = metrics.filter { $0.split == split }
    guard let last = all.map(\.step).max() else { return [] }
    let step = bestStep(all) ?? last
    return all.filter { $0.step == step }.sorted { MetricKind.rank($0.name) < MetricKind.rank($1.name) }
  }

  /// The number that a person compares runs by; nil where nothing was scored.
  public var mainScore: MetricPoint? { scores().first }

  private func bestStep(_ evaluations: [MetricPoint]) -> Int? {
    let training = config["training"]
    guard training?["load_best_model_at_end"]?.bool == true else { return nil }
    let name = training?["metric_for_best_model"]?.string ?? "loss"
    let values = evaluations.filter { $0.name == name && $0.value.isFinite }
    let better: (MetricPoint, MetricPoint) -> Bool = {
      MetricKind.greaterIsBetter(name) ? $0.value < $1.value : $0.value > $1.value
    }
    // `max` takes the first of equals, as the run does.
    return values.max(by: better)?.step
  }
}

/// What is known of a metric by its name.
public enum MetricKind {
  /// Main metrics of tasks, before those that stand beside them.
  private static let order = [
    "matthews_correlation", "pearson", "accuracy", "exact_match", "bleu", "f1", "spearmanr", "perplexity", "loss",
  ]

  /// Lower comes first.
  static func rank(_ name: String) -> Int { order.firstIndex(of: name) ?? order.count - 2 }

  /// Whether more of it is better.
  public static func greaterIsBetter(_ name: String) -> Bool { name != "loss" && name != "perplexity" }
}
