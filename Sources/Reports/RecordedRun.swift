import Metrics
import RunStore
import StrictJSON

/// A run with everything the database has recorded about it.
public struct RecordedRun: Sendable {
  /// Its row.
  public let run: Run
  /// All measured values, by step.
  public let metrics: [MetricPoint]
  /// ASLoRA's merges, in order.
  public let merges: [MergeRecord]
  /// The resolved config; empty if the row does not hold a JSON object.
  public let config: JSONNode

  /// A run and its records.
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

  /// A run listed by `store`, with its records.
  public init(_ run: Run, in store: RunStore) throws {
    self.init(run: run, metrics: try store.metrics(run: run.id), merges: try store.merges(run: run.id))
  }

  /// The values of a metric, by step.
  public func series(_ split: Split, _ name: String) -> [MetricPoint] {
    metrics.filter { $0.split == split && $0.name == name }
  }

  /// The scores on `split` of the adapter that the run ended with, the main metric first.
  ///
  /// They come from the last evaluation or, with `load_best_model_at_end`, from the best one by the run's own metric.
  public func scores(_ split: Split = .validation) -> [MetricPoint] {
    let all = metrics.filter { $0.split == split }
    guard let last = all.map(\.step).max() else { return [] }
    let step = bestStep(all) ?? last
    return all.filter { $0.step == step }.sorted { MetricKind.rank($0.name) < MetricKind.rank($1.name) }
  }

  /// The score to compare runs by; nil if nothing was scored.
  public var mainScore: MetricPoint? { scores().first }

  private func bestStep(_ evaluations: [MetricPoint]) -> Int? {
    let training = config["training"]
    guard training?["load_best_model_at_end"]?.bool == true else { return nil }
    let name = training?["metric_for_best_model"]?.string ?? "loss"
    let values = evaluations.filter { $0.name == name && $0.value.isFinite }
    let better: (MetricPoint, MetricPoint) -> Bool = {
      MetricKind.greaterIsBetter(name) ? $0.value < $1.value : $0.value > $1.value
    }
    // Of equal values `max` takes the first, as the run does.
    return values.max(by: better)?.step
  }
}

/// Properties of a metric, by its name.
public enum MetricKind {
  /// Main metrics of tasks come before secondary ones.
  private static let order = [
    "matthews_correlation", "pearson", "accuracy", "exact_match", "bleu", "f1", "spearmanr", "perplexity", "loss",
  ]

  /// The place in the order; unknown names come before perplexity and loss.
  static func rank(_ name: String) -> Int { order.firstIndex(of: name) ?? order.count - 2 }

  /// Whether higher values are better; true for metrics of generated texts, which rank no models.
  public static func greaterIsBetter(_ name: String) -> Bool {
    Metric.all.first { $0.name == name }?.greaterIsBetter ?? true
  }
}
