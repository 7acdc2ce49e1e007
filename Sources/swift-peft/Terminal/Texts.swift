import Diagnostics
import Foundation
import StrictJSON
import Training

/// `294,912`.
func grouped(_ number: Int) -> String { number.grouped }

/// `digits` places after the point.
func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

/// `digits` significant digits.
func significant(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)g", value) }

/// 1h02m, 1m20s, 45s.
func duration(_ length: Duration) -> String {
  let seconds = Int(length.components.seconds)
  if seconds >= 3600 { return "\(seconds / 3600)h" + String(format: "%02dm", seconds % 3600 / 60) }
  if seconds >= 60 { return "\(seconds / 60)m" + String(format: "%02ds", seconds % 60) }
  return "\(seconds)s"
}

/// 1.2 GB, in powers of 1000.
func byteSize(_ bytes: Int) -> String {
  let units = ["B", "kB", "MB", "GB", "TB"]
  var value = Double(bytes), unit = 0
  while value >= 999.5, unit < units.count - 1 { (value, unit) = (value / 1000, unit + 1) }
  return (unit == 0 ? String(bytes) : fixed(value, value < 10 ? 1 : 0)) + " " + units[unit]
}

/// Names and values, the values aligned.
func listing(_ entries: [(String, String)]) -> String { TextTable(entries.map { [$0.0, $0.1] }).plain }

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

extension DryRun {
  /// The plan as text.
  var text: String {
    let model = run.model, adapter = run.config.adapter, parameters = parameters
    var entries: [(String, String)] = [
      ("run", "\(run.config.name) (dry run: nothing was trained or written)"),
      (
        "model",
        "\(run.config.model) (\(model.modelType), \(model.layers) layers of \(grouped(model.hiddenSize)))"
      ),
      (
        "task",
        "\(run.config.task.name), \(count(trainExamples)) training \(trainExamples == 1 ? "example" : "examples")"
          + (outputs == 0 ? "" : ", \(count(outputs)) outputs")
      ),
      (
        "adapter",
        "\(run.method.title), r \(adapter.r)\(adapter.clora == nil ? "" : ", clora"), on \(run.table.sites.count) sites "
          + "(\(adapter.targetModules.names.joined(separator: ", ")))"
      ),
      ("adapter parameters", "\(grouped(parameters.adapter)) in \(run.table.tensors.count) tensors"),
      ("trainable parameters", count(parameters.trainable) + (outputs == 0 ? "" : ", including the head")),
      ("total parameters", count(parameters.total)),
      ("steps", "\(count(totalSteps)), \(count(stepsPerEpoch)) per epoch, \(count(warmupSteps)) of warm-up"),
    ]
    let groups = run.table.modules.prefix(1).flatMap { run.table.groups(module: $0) }
    if run.method.procedure?.mergesLayers == true, adapter.aslora.isStatic {
      let texts = groups.map { $0.map(String.init).joined(separator: "+") }
      entries.append(("layers that share a B", texts.joined(separator: " | ")))
    } else if run.method.procedure?.mergesLayers == true {
      let steps = mergeSteps?.map(String.init).joined(separator: " ")
      entries.append(("merges after steps", steps.map { $0.isEmpty ? "none" : $0 } ?? "unknown"))
    }
    entries.append(
      (
        "memory",
        "about \(byteSize(memory.total)): weights \(byteSize(memory.weights)), training state "
          + "\(byteSize(memory.trainable)), activations \(byteSize(memory.activations)) with \(run.pool.threads) threads"
      ))
    entries += cluster?.entries(memory) ?? []
    entries += [("output", run.config.outputDir), ("database", run.config.database)]
    return listing(entries) + (cluster?.limit.map { $0 + "\n" } ?? "") + missing.map { "missing: \($0)\n" }.joined()
  }

  /// The plan as JSON; null means unknown, for `cluster` that one process is planned.
  var json: JSONValue {
    let config = run.config, parameters = parameters
    return [
      "name": .string(config.name), "model": .string(config.model),
      "model_type": .string(run.model.modelType), "layers": .integer(run.model.layers),
      "hidden_size": .integer(run.model.hiddenSize), "task": .string(config.task.name),
      "strategy": .string(config.adapter.strategy), "r": .integer(config.adapter.r),
      "target_modules": .strings(config.adapter.targetModules.names), "sites": .integer(run.table.sites.count),
      "adapter_parameters": .integer(parameters.adapter), "trainable_parameters": number(parameters.trainable),
      "total_parameters": number(parameters.total), "outputs": number(outputs),
      "train_examples": number(trainExamples), "steps": number(totalSteps),
      "steps_per_epoch": number(stepsPerEpoch), "warmup_steps": number(warmupSteps),
      "merge_steps": mergeSteps.map { .list($0.map { .integer($0) }) } ?? .null, "threads": .integer(run.pool.threads),
      "memory_bytes": [
        "total": .integer(memory.total), "weights": .integer(memory.weights),
        "training_state": .integer(memory.trainable), "activations": .integer(memory.activations),
      ],
      "output_dir": .string(config.outputDir), "database": .string(config.database), "missing": .strings(missing),
      "cluster": cluster?.json(memory) ?? .null,
    ]
  }

  private func count(_ number: Int?) -> String { number.map(grouped) ?? "unknown" }
  private func number(_ value: Int?) -> JSONValue { value.map { .integer($0) } ?? .null }
}
