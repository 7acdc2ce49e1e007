import RunStore
import StrictJSON

/// The metrics of runs in formats for other programs.
public enum MetricExport {
  /// The columns.
  static let columns = ["run_id", "run", "strategy", "seed", "step", "epoch", "split", "name", "value"]

  /// A header, then one line per value (RFC 4180, with LF line ends). NaN becomes an empty field.
  public static func csv(_ runs: [RecordedRun]) -> String {
    var text = columns.joined(separator: ",") + "\n"
    for run in runs {
      let details = run.run.details
      let prefix = [String(run.run.id), field(details.name), field(details.strategy), String(details.seed)]
        .joined(separator: ",")
      for metric in run.metrics {
        let value = metric.value.isNaN ? "" : String(describing: metric.value)
        text += "\(prefix),\(metric.step),\(metric.epoch),\(metric.split.rawValue),\(field(metric.name)),\(value)\n"
      }
    }
    return text
  }

  /// One object per line. Values that are not finite become null.
  public static func jsonl(_ runs: [RecordedRun]) -> String {
    var text = ""
    for run in runs {
      let details = run.run.details
      for metric in run.metrics {
        let object: JSONValue = [
          "run_id": .integer(Int(run.run.id)), "run": .string(details.name), "strategy": .string(details.strategy),
          "seed": .integer(details.seed), "step": .integer(metric.step), "epoch": .number(metric.epoch),
          "split": .string(metric.split.rawValue), "name": .string(metric.name), "value": .number(metric.value),
        ]
        text += JSONWriter.text(object, pretty: false) + "\n"
      }
    }
    return text
  }

  /// Quoted if necessary.
  private static func field(_ text: String) -> String {
    let special: Set<Character> = [",", "\"", "\n", "\r", "\r\n"]
    guard text.contains(where: special.contains) else { return text }
    return "\"" + text.replacing("\"", with: "\"\"") + "\""
  }
}
