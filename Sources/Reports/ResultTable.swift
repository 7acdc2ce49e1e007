import Algorithms
import Diagnostics
import Foundation
import RunStore
import StrictJSON

/// The results of runs, with one row for those that differ only in their seed.
public struct ResultTable: Sendable {
  /// The rows.
  public let groups: [SeedGroup]

  /// The results of `runs`.
  public init(_ runs: [RecordedRun]) { groups = SeedGroup.groups(of: runs) }

  /// All metrics of the final scores, the main ones first.
  public var metrics: [String] {
    groups.flatMap(\.runs).flatMap { $0.scores().map(\.name) }.uniqued()
      .enumerated().sorted { (MetricKind.rank($0.element), $0.offset) < (MetricKind.rank($1.element), $1.offset) }
      .map(\.element)
  }

  /// Titles and rows: label, seeds, metrics, parameters.
  public var rows: [[String]] {
    let metrics = metrics
    let titles = ["run"] + ["seeds"] + metrics + ["adapter", "trained"]
    return [titles]
      + groups.map { group in
        let values = metrics.map { group.statistic($0).map(Self.text) ?? "-" }
        let seeds =
          group.completed.count == group.runs.count
          ? "\(group.runs.count)" : "\(group.completed.count) of \(group.runs.count)"
        return [group.label, seeds] + values
          + [group.adapterParameters.grouped, group.trainableParameters.grouped]
      }
  }

  /// The rows as text.
  public var text: String { TextTable(rows, .left, .right).plain }

  /// The rows and the differing config values as JSON; null means unknown.
  public func json(_ difference: ConfigDifference) -> JSONValue {
    [
      "differences": .list(
        difference.rows.map { row in
          [
            "path": .string(row.path), "values": .list(row.values.map { value in value.map { .string($0) } ?? .null }),
          ]
        }), "results": json,
    ]
  }

  /// The rows as JSON.
  public var json: JSONValue {
    let metrics = metrics
    return .list(
      groups.map { group in
        [
          "label": .string(group.label), "strategy": .string(group.strategy),
          "runs": .list(group.runs.map { .integer(Int($0.run.id)) }),
          "seeds": .list(group.runs.map { .integer($0.run.details.seed) }),
          "completed": .integer(group.completed.count),
          "adapter_parameters": .integer(group.adapterParameters),
          "trainable_parameters": .integer(group.trainableParameters),
          "metrics": .members(
            metrics.map { name in
              let statistic = group.statistic(name)
              return (
                name,
                [
                  "mean": statistic.map { .number($0.mean) } ?? .null,
                  "std": statistic?.deviation.map { .number($0) } ?? .null,
                  "count": .integer(statistic?.count ?? 0),
                ]
              )
            }),
        ]
      })
  }

  private static func text(_ statistic: Statistic) -> String {
    let mean = fixed(statistic.mean)
    return statistic.deviation.map { "\(mean) ± \(fixed($0))" } ?? mean
  }

  private static func fixed(_ value: Double) -> String { String(format: "%.4f", value) }
}
