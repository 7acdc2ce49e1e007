import ArgumentParser
import Foundation
import Metrics

/// `swift-peft-bench evidence`: writes docs/evidence.md and its plots.
struct EvidenceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evidence", abstract: "Write docs/evidence.md and its plots from the runs in docs/evidence/runs.")

  @Option(help: "The repository's folder docs.") var docs = "docs"

  func run() throws {
    let folder = "\(docs)/evidence"
    let evidence = try Evidence(folder: folder)
    let answers = try String(contentsOfFile: "\(folder)/answers.md", encoding: .utf8)
    try write(EvidencePage(evidence: evidence, answers: answers).text, to: "\(docs)/evidence.md")
    for group in evidence.plan.groups {
      for task in group.tasks {
        try write(scores(evidence, task, group).svg, to: "\(folder)/\(task)-\(group.name).svg")
      }
      for task in group.rateTasks where group.tasks.contains(task) {
        try write(rates(evidence, task, group).svg, to: "\(folder)/\(task)-\(group.name)-rates.svg")
      }
    }
  }

  private func write(_ text: String?, to path: String) throws {
    guard let text else { return }
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    print("wrote \(path)")
  }

  /// Mean scores against trained numbers.
  private func scores(_ evidence: Evidence, _ task: String, _ group: EvidencePlan.Group) -> EvidencePlot {
    let series = group.comparedArms.map { arm -> EvidencePlot.Series in
      let runs = evidence.runs(of: arm, on: task, in: group).values.map { $0 }
      let scores = runs.map(\.reportScore)
      guard let mean = PairedStatistics.mean(scores), let first = runs.first else {
        return EvidencePlot.Series(name: arm, points: [])
      }
      let interval = PairedStatistics.bootstrapInterval(scores)
      return EvidencePlot.Series(name: arm, points: [(Double(first.adapterParameters), mean, interval)])
    }
    return EvidencePlot(title: title(evidence, task, "second"), xLabel: "adapter numbers", series: series)
  }

  /// Scores of the runs that choose the learning rate.
  private func rates(_ evidence: Evidence, _ task: String, _ group: EvidencePlan.Group) -> EvidencePlot {
    let series = group.arms.map { arm in
      EvidencePlot.Series(
        name: arm,
        points: evidence.plan.learningRates.compactMap { rate in
          evidence.runs.first {
            $0.arm == arm && $0.task == task && $0.rate == rate && $0.seed == evidence.plan.rateSeed
          }.map { (1e6 * rate, $0.selectionScore, nil) }
        })
    }
    return EvidencePlot(
      title: title(evidence, task, "first"), xLabel: "learning rate, millionths", series: series, joinsPoints: true)
  }

  private func title(_ evidence: Evidence, _ task: String, _ half: String) -> String {
    let isLoss = evidence.runs.contains { $0.task == task && $0.metric == "loss" }
    return "\(task): \(isLoss ? "loss" : "score") on the \(half) half" + (isLoss ? " (less is better)" : "")
  }
}
