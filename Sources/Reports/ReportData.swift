import Algorithms
import RunStore
import StrictJSON

/// The data of the report, as JSON for its page.
struct ReportData {
  let title: String
  let runs: [RecordedRun]
  let version: String
  let generatedAt: String

  /// A chart does not have more pixels than this.
  static let mostPoints = 2000

  var json: JSONValue {
    let groups = SeedGroup.groups(of: runs)
    let index = Dictionary(runs.enumerated().map { ($1.run.id, $0) }) { first, _ in first }
    let metric = groups.lazy.compactMap(\.mainMetric).first
    return [
      "title": .string(title), "version": .string(version), "generated_at": .string(generatedAt),
      "metric": metric.map { .string($0) } ?? .null,
      "runs": .list(runs.map(run)),
      "groups": .list(groups.map { group in self.group(group, metric, index) }),
      "configs": .list(
        ConfigDifference(runs).all.map { row in
          [
            "path": .string(row.path), "same": .bool(row.isSame),
            "values": .list(row.values.map { value in value.map { .string($0) } ?? .null }),
          ]
        }),
    ]
  }

  private func run(_ recorded: RecordedRun) -> JSONValue {
    let run = recorded.run, details = recorded.run.details
    return [
      "id": .integer(Int(run.id)), "name": .string(details.name), "status": .string(run.status.rawValue),
      "started_at": .string(run.startedAt), "finished_at": run.finishedAt.map { .string($0) } ?? .null,
      "model": .string(details.model), "task": .string(details.task), "strategy": .string(details.strategy),
      "r": .integer(details.r), "seed": .integer(details.seed), "precision": .string(details.precision),
      "adapter": .integer(details.adapterParameters), "trainable": .integer(details.trainableParameters),
      "total": .integer(details.totalParameters), "output_dir": .string(details.outputDir),
      "scores": .members(recorded.scores().map { ($0.name, .number($0.value)) }),
      "series": series(recorded), "sharing": .list(SharingMap.maps(of: recorded).map(sharing)),
    ]
  }

  /// `{"train/loss": [[step, value], …]}` for every split and metric of the run.
  private func series(_ run: RecordedRun) -> JSONValue {
    let keys = run.metrics.map { "\($0.split.rawValue)/\($0.name)" }
    let points = Dictionary(grouping: zip(keys, run.metrics), by: \.0)
    return .members(
      keys.uniqued().map { key in
        let series = points[key, default: []].map { ($0.1.step, $0.1.value) }
        return (key, .list(Self.thinned(series).map { .list([.integer($0.0), .number($0.1)]) }))
      })
  }

  private func sharing(_ map: SharingMap) -> JSONValue {
    [
      "module": .string(map.module), "layers": .integer(map.layers),
      "merges": .list(
        map.merges.map { merge in
          [
            "step": .integer(merge.step), "lower": .integer(merge.lowerLayer), "upper": .integer(merge.upperLayer),
            "distance": .number(merge.distance), "left": .integer(merge.groupsLeft),
          ]
        }),
      "groups": .list(
        map.groups.map { group in
          ["owner": .integer(group.owner), "layers": .list(group.layers.map { .integer($0) })]
        }),
    ]
  }

  private func group(_ group: SeedGroup, _ metric: String?, _ index: [Int64: Int]) -> JSONValue {
    let statistic = metric.flatMap { group.statistic($0) }
    return [
      "label": .string(group.label), "strategy": .string(group.strategy),
      "runs": .list(group.runs.compactMap { index[$0.run.id] }.map { .integer($0) }),
      "adapter": .integer(group.adapterParameters), "trainable": .integer(group.trainableParameters),
      "count": .integer(statistic?.count ?? 0), "mean": statistic.map { .number($0.mean) } ?? .null,
      "deviation": statistic?.deviation.map { .number($0) } ?? .null,
    ]
  }

  /// The lowest and the highest point of each stretch of a long series, so that no peak is lost.
  static func thinned(_ points: [(Int, Double)]) -> [(Int, Double)] {
    guard points.count > mostPoints else { return points }
    let stretches = mostPoints / 2
    return (0..<stretches).flatMap { number -> [(Int, Double)] in
      let part = points[(number * points.count / stretches)..<((number + 1) * points.count / stretches)]
      let finite = part.indices.filter { part[$0].1.isFinite }
      guard let low = finite.min(by: { part[$0].1 < part[$1].1 }),
        let high = finite.max(by: { part[$0].1 < part[$1].1 })
      else { return part.first.map { [$0] } ?? [] }
      return Set([low, high]).sorted().map { part[$0] }
    }
  }
}
