import Diagnostics
import Metrics
import Reports
import RunStore
import StrictJSON

/// A recorded run for people and for programs.
extension RecordedRun {
  /// The metrics that a chart can show, as `split name`.
  var metricNames: [String] {
    var seen: Set<String> = []
    return metrics.map { "\($0.split.rawValue) \($0.name)" }.filter { seen.insert($0).inserted }
  }

  /// The run and its state.
  var summaryText: String {
    let details = run.details
    let end = run.finishedAt.map { ", ended \(minute($0))" } ?? ""
    return listing([
      ("run", "\(run.id) \(details.name), \(run.status.rawValue)"),
      ("started", "\(minute(run.startedAt))\(end) (UTC)"),
      ("model", "\(details.model) (\(details.modelType), \(grouped(details.totalParameters)) parameters)"),
      ("task", details.task),
      ("strategy", "\(details.strategy), r = \(details.r), alpha = \(significant(details.loraAlpha, 6))"),
      (
        "adapter",
        "\(grouped(details.adapterParameters)) parameters, \(grouped(details.trainableParameters)) with the head"
      ),
      ("seed", "\(details.seed), \(details.precision), \(details.threads) threads"),
      ("output", details.outputDir), ("program", "swift-peft \(details.version)"),
    ])
  }

  /// Final scores of every split.
  var resultText: String {
    let splits = [Split.validation, .validationMismatched, .test].map { ($0, scores($0)) }
      .filter { !$0.1.isEmpty }
    guard let first = splits.first else { return "" }
    let names = first.1.map(\.name)
    return TextTable(
      [["split"] + names + ["step"]]
        + splits.map { split, scores in
          [split.rawValue] + names.map { name in scores.first { $0.name == name }.map { fixed($0.value, 6) } ?? "-" }
            + [grouped(scores.first?.step ?? 0)]
        }, .left, .right
    ).plain
  }

  /// ASLoRA's merges, and the layers that share a B at the end.
  var mergeText: String {
    let maps = SharingMap.maps(of: self)
    guard !maps.isEmpty else { return "" }
    let events = TextTable(
      [["step", "module", "layer", "uses", "distance", "B's left"]]
        + merges.map {
          [
            grouped($0.step), $0.module, String($0.lowerLayer), String($0.upperLayer), significant($0.distance, 4),
            String($0.groupsLeft),
          ]
        }, right: [0, 2, 3, 4, 5]
    ).plain
    let end = maps.map { map in
      "\(map.module): " + map.groups.map { $0.layers.map(String.init).joined(separator: "+") }.joined(separator: " | ")
    }
    return events + end.joined(separator: "\n") + "\n"
  }

  /// Every value of the config that is not null.
  var configText: String {
    listing(
      ConfigDifference([self]).all.compactMap { row in
        row.values.first.flatMap { $0 }.flatMap { $0 == "null" ? nil : (row.path, $0) }
      })
  }

  /// The run as an element of a list.
  var json: JSONValue {
    let details = run.details
    return [
      "id": .integer(Int(run.id)), "name": .string(details.name), "status": .string(run.status.rawValue),
      "started_at": .string(run.startedAt), "finished_at": run.finishedAt.map { .string($0) } ?? .null,
      "model": .string(details.model), "model_type": .string(details.modelType), "task": .string(details.task),
      "strategy": .string(details.strategy), "r": .integer(details.r), "lora_alpha": .number(details.loraAlpha),
      "seed": .integer(details.seed), "precision": .string(details.precision), "threads": .integer(details.threads),
      "adapter_parameters": .integer(details.adapterParameters),
      "trainable_parameters": .integer(details.trainableParameters),
      "total_parameters": .integer(details.totalParameters), "output_dir": .string(details.outputDir),
      "version": .string(details.version),
      "results": .members(scores().map { ($0.name, .number($0.value)) }),
    ]
  }

  /// The run with everything recorded about it.
  func fullJSON(_ checkpoints: [CheckpointRecord]) -> JSONValue {
    guard case .object(var object) = json else { return .null }
    object["config"] = config
    object["metrics"] = JSONNode(
      .list(
        metrics.map {
          [
            "step": .integer($0.step), "epoch": .number($0.epoch), "split": .string($0.split.rawValue),
            "name": .string($0.name), "value": .number($0.value),
          ]
        }))
    object["merges"] = JSONNode(
      .list(
        merges.map {
          [
            "step": .integer($0.step), "module": .string($0.module), "lower_layer": .integer($0.lowerLayer),
            "upper_layer": .integer($0.upperLayer), "distance": .number($0.distance),
            "groups_left": .integer($0.groupsLeft),
          ]
        }))
    object["checkpoints"] = JSONNode(
      .list(
        checkpoints.map {
          ["step": .integer($0.step), "path": .string($0.path), "created_at": .string($0.createdAt)]
        }))
    return .object(object)
  }
}

/// `2026-11-21 09:15`.
func minute(_ time: String) -> String { String(time.prefix(16).replacing("T", with: " ")) }
