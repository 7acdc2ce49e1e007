import Algorithms
import Metrics
import RunStore
import StrictJSON

/// Runs that differ only in their seed.
public struct SeedGroup: Sendable {
  /// The runs, at least one.
  public let runs: [RecordedRun]
  /// What distinguishes this group from the others: `aslora`, `lora r=8`.
  public let label: String

  /// Config paths that say where a run is stored, not what it is.
  static let places: Set<String> = ["name", "output_dir", "database"]
  static let seed = "training.seed"

  /// The groups, in the order of their first runs.
  public static func groups(of runs: [RecordedRun]) -> [SeedGroup] {
    let keys = runs.map(key), members = Dictionary(grouping: zip(keys, runs), by: \.0)
    let groups = keys.uniqued().compactMap { members[$0]?.map(\.1) }
    let labels = labels(groups.compactMap(\.first))
    return zip(groups, labels).map { SeedGroup(runs: $0, label: $1) }
  }

  /// Adapter parameters, which do not depend on the seed; for ASLoRA, those after merging.
  public var adapterParameters: Int { runs.map(\.run.details.adapterParameters).max() ?? 0 }
  /// Adapter and head parameters.
  public var trainableParameters: Int { runs.map(\.run.details.trainableParameters).max() ?? 0 }
  /// The strategy's name.
  public var strategy: String { runs.first?.run.details.strategy ?? "" }
  /// The main metric of these runs; nil if none was scored.
  public var mainMetric: String? { runs.lazy.compactMap { $0.mainScore?.name }.first }

  /// The completed runs.
  public var completed: [RecordedRun] { runs.filter { $0.run.status == .completed } }

  /// Mean and deviation of a final score over the completed runs that have it.
  public func statistic(_ metric: String, _ split: Split = .validation) -> Statistic? {
    Statistic(completed.compactMap { run in run.scores(split).first { $0.name == metric }?.value })
  }

  /// Everything that determines the result, except the seed.
  private static func key(_ run: RecordedRun) -> [String] {
    let fields = FlatConfig.entries(run.config).filter { $0.path != seed && !places.contains($0.path) }
    let details = run.run.details
    let own = fields.isEmpty ? [details.model, details.task, details.strategy, String(details.r)] : []
    return own + fields.map { "\($0.path)=\($0.text)" }
  }

  /// The strategy, then all values in which the groups differ.
  private static func labels(_ first: [RecordedRun]) -> [String] {
    let skipped = places.union([seed, "adapter.strategy"])
    let differing = ConfigDifference(first).rows.filter { !skipped.contains($0.path) }
    return first.indices.map { index in
      let values = differing.compactMap { row -> String? in
        guard let value = row.values[index] else { return nil }
        return "\(row.path.split(separator: ".").last ?? "")=\(value)"
      }
      return ([first[index].run.details.strategy] + values).joined(separator: " ")
    }
  }
}

/// Mean and sample deviation.
public struct Statistic: Sendable, Equatable {
  /// The number of values.
  public let count: Int
  /// Their mean.
  public let mean: Double
  /// √(Σ(x − mean)² / (n − 1)); nil for a single value.
  public let deviation: Double?

  /// Nil if there are no values.
  public init?(_ values: [Double]) {
    guard !values.isEmpty else { return nil }
    count = values.count
    let mean = values.reduce(0, +) / Double(values.count)
    self.mean = mean
    let squares = values.map { ($0 - mean) * ($0 - mean) }.reduce(0, +)
    deviation = values.count > 1 ? (squares / Double(values.count - 1)).squareRoot() : nil
  }
}
