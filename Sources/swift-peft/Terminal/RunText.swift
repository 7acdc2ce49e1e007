import Foundation
import Reports
import RunStore
import StrictJSON

/// Runs of the database, for people and for programs.
enum RunText {
  /// Columns of equal width, flush left but for those in `right`; no spaces at a line's end.
  static func leftColumns(_ rows: [[String]], right: Set<Int> = []) -> String {
    let count = rows.map(\.count).max() ?? 0
    let widths = (0..<count).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
    return rows.map { row in
      let cells = row.enumerated().map { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.count)
        return right.contains(column) ? space + cell : column == row.count - 1 ? cell : cell + space
      }
      return cells.joined(separator: "  ") + "\n"
    }.joined()
  }

  /// 2026-11-21 09:15
  static func minute(_ time: String) -> String { String(time.prefix(16).replacing("T", with: " ")) }

  /// The names that a chart can show, as `split name`.
  static func metricNames(_ run: RecordedRun) -> [String] {
    var seen: Set<String> = []
    return run.metrics.map { "\($0.split.rawValue) \($0.name)" }.filter { seen.insert($0).inserted }
  }

  /// What the run is and how it stands.
  static func summary(_ run: RecordedRun) -> String {
    let details = run.run.details, sizes = details.parameters
    let end = run.run.finishedAt.map { ", ended \(minute($0))" } ?? ""
    return listing([
      ("run", "\(run.run.id) \(details.name), \(run.run.status.rawValue)"),
      ("started", "\(minute(run.run.startedAt))\(end) (UTC)"),
      ("model", "\(details.model) (\(details.modelType), \(grouped(sizes.total)) parameters)"),
      ("task", details.task),
      ("strategy", "\(details.strategy), r = \(details.r), alpha = \(significant(details.loraAlpha, 6))"),
      ("adapter", "\(grouped(sizes.adapter)) parameters, with the head \(grouped(sizes.trainable))"),
      ("seed", "\(details.seed), \(details.precision), \(details.threads) threads"),
      ("output", details.outputDir), ("program", "swift-peft \(details.version)"),
    ])
  }

  /// Final scores of every split.
  static func results(_ run: RecordedRun) -> String {
    let splits = [MetricSplit.validation, .validationMismatched, .test].map { ($0, run.scores($0)) }
      .filter { !$0.1.isEmpty }
    guard let first = splits.first else { return "" }
    let names = first.1.map(\.name)
    return columns(
      [["split"] + names + ["step"]]
        + splits.map { split, scores in
          [split.rawValue] + names.map { name in scores.first { $0.name == name }.map { fixed($0.value, 6) } ?? "-" }
            + [grouped(scores.first?.step ?? 0)]
        })
  }

  /// ASLoRA's merges, and which layers share a B in the end.
  static func merges(_ run: RecordedRun) -> String {
    let maps = SharingMap.maps(of: run)
    guard !maps.isEmpty else { return "" }
    let events = leftColumns(
      [["step", "module", "layer", "uses", "distance", "B's left"]]
        + run.merges.map {
          [
            grouped($0.step), $0.module, String($0.lowerLayer), String($0.upperLayer), significant($0.distance, 4),
            String($0.groupsLeft),
          ]
        }, right: [0, 2, 3, 4, 5])
    let end = maps.map { map in
      "\(map.module): " + map.groups.map { $0.layers.map(String.init).joined(separator: "+") }.joined(separator: " | ")
    }
    return events + end.joined(separator: "\n") + "\n"
  }

  /// Every value of the config that is set.
  static func config(_ run: RecordedRun) -> String {
    listing(
      ConfigDifference([run]).all.compactMap { row in
        row.values.first.flatMap { $0 }.flatMap { $0 == "null" ? nil : (row.path, $0) }
      })
  }

  /// A run in a list.
  static func json(_ run: RecordedRun) -> JSONValue {
    let details = run.run.details
    return [
      "id": .integer(Int(run.run.id)), "name": .string(details.name), "status": .string(run.run.status.rawValue),
      "started_at": .string(run.run.startedAt), "finished_at": run.run.finishedAt.map { .string($0) } ?? .null,
      "model": .string(details.model), "model_type": .string(details.modelType), "task": .string(details.task),
      "strategy": .string(details.strategy), "r": .integer(details.r), "lora_alpha": .number(details.loraAlpha),
      "seed": .integer(details.seed), "precision": .string(details.precision), "threads": .integer(details.threads),
      "adapter_parameters": .integer(details.parameters.adapter),
      "trainable_parameters": .integer(details.parameters.trainable),
      "total_parameters": .integer(details.parameters.total), "output_dir": .string(details.outputDir),
      "version": .string(details.version),
      "results": .members(run.scores().map { ($0.name, .number($0.value)) }),
    ]
  }

  /// A run with everything that is known of it.
  static func fullJSON(_ run: RecordedRun, _ checkpoints: [CheckpointRecord]) -> JSONValue {
    guard case .object(var object) = json(run) else { return .null }
    object["config"] = run.config
    object["metrics"] = JSONNode(
      .list(
        run.metrics.map {
          [
            "step": .integer($0.step), "epoch": .number($0.epoch), "split": .string($0.split.rawValue),
            "name": .string($0.name), "value": .number($0.value),
          ]
        }))
    object["merges"] = JSONNode(
      .list(
        run.merges.map {
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

extension ResultTable {
  /// The table as text.
  var text: String { RunText.leftColumns(rows, right: Set(1..<(rows.first?.count ?? 1))) }
}

/// The size of a terminal.
enum Terminal {
  /// Columns of the terminal that `descriptor` is, or 80.
  static func columns(_ descriptor: Int32) -> Int {
    var size = winsize()
    return ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
  }
}
