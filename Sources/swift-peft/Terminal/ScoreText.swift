import Diagnostics
import StrictJSON
import Training

/// The scores of splits, for people and for programs.
enum ScoreText {
  /// A line per split.
  static func table(_ reports: [EvaluationReport]) -> String {
    guard let first = reports.first else { return "" }
    let names = first.metrics.map(\.name)
    return TextTable(
      [["split"] + names + ["examples"]]
        + reports.map { report in
          [report.split.rawValue] + names.map { name in report[name].map { fixed($0, 6) } ?? "-" }
            + [grouped(report.examples)]
        }, .left, .right
    ).plain
  }

  /// `[{"split": …, "step": …, "<metric>": …, "loss": …, "examples": …}]`
  static func json(_ reports: [EvaluationReport]) -> JSONValue { .list(reports.map { .object($0.json) }) }
}
