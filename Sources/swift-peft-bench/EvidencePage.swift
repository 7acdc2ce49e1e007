import Foundation
import Metrics

/// docs/evidence.md, made of the runs.
struct EvidencePage {
  let evidence: Evidence
  /// The hand-written answers.
  let answers: String
  private let baseline = EvidencePlan.Group.baseline

  var text: String {
    let runs = evidence.runs, cpus = Set(runs.map(\.cpu)).sorted().joined(separator: ", ")
    let programs = Set(runs.map(\.program)).count, (missing, all) = evidence.missing
    return """
      # Evidence

      This page is made from the runs in `docs/evidence/runs`, one small JSON each, by
      `swift run -c release swift-peft-bench evidence`. PEFT's `method_comparison/processing.py` reads them too
      (`scripts/evidence/check_schema.py`). The runs that are missing are made by
      `scripts/evidence.sh .build/release/swift-peft MODEL GLUE_DIR --decoder DIR --instructions FILE --text FILE`, which can be
      stopped and started again.

      \(answers.trimmingCharacters(in: .whitespacesAndNewlines))

      ## Protocol

      all-MiniLM-L6-v2, query and value, and for instructions SmolLM2-135M-Instruct, all linear maps; bfloat16, alpha 16;
      `docs/evidence/plan.json` has every setting. The development set of a task is split once into two halves. By the first half
      each arm's learning rate (one of \(list(evidence.plan.learningRates)), seed \(evidence.plan.rateSeed); of the encoder the best
      mean of CoLA and MRPC) and the epoch of each run are chosen; the second half is scored once, and is what is shown. Intervals are 95 % percentile bootstraps over the
      seeds, of all samples with replacement. p is that of the paired t-test against `\(baseline)` over the seeds, and beside it with
      Holm's correction over the arms of the table; it is a t-test because a sign-flip test of five seeds cannot go below
      p = 0.0625, whatever the scores; where all seeds differ by the same number, it gives none. A shared matrix gets the sum of its layers' gradients, so that equal rates
      are not equal steps: hence a rate for each arm.

      The plan has \(all) runs, those that choose the learning rates included; \(missing == 0 ? "none" : "\(missing)") \
      \(missing == 1 ? "is" : "are") missing. The runs that are there took \(computing), on \(cpus.isEmpty ? "nothing yet" : cpus), \
      with \(programs) build\(programs == 1 ? "" : "s") of the program. CPU s and peak MB are means over an arm's runs: processor time \
      of all threads while it trains, and the largest memory.

      \(evidence.plan.groups.map(section).joined(separator: "\n"))
      \(evidence.controls)
      \(evidence.forgetting)
      \(evidence.beside)
      \(evidence.merges)
      """
  }

  /// Hours that one core would have computed for.
  private var computing: String {
    let counted = evidence.runs.compactMap(\.cpuSeconds), hours = fixed(counted.reduce(0, +) / 3600)
    let uncounted = evidence.runs.count - counted.count
    return "\(hours) hours of one core" + (uncounted == 0 ? "" : " (not counted for \(uncounted) of the runs)")
  }

  private func list(_ numbers: [Double]) -> String { numbers.map { String(format: "%g", $0) }.joined(separator: ", ") }

  private func section(_ group: EvidencePlan.Group) -> String {
    let (missing, all) = evidence.missing(group)
    let state = missing == 0 ? "All \(all) runs are there." : "**\(missing) of \(all) runs are missing.**"
    let tables = group.tasks.map { table($0, group) }.joined(separator: "\n")
    return "## \(group.title)\n\n\(state)\n\n\(tables)"
  }

  private func table(_ task: String, _ group: EvidencePlan.Group) -> String {
    let baselineRuns = evidence.runs(of: baseline, on: task, in: group)
    let rows = group.comparedArms.compactMap { arm -> Row? in
      let runs = evidence.runs(of: arm, on: task, in: group)
      return runs.isEmpty ? nil : Row(arm, runs, against: arm == baseline ? [:] : baselineRuns)
    }
    guard let metric = rows.first(where: { group.arms.contains($0.arm) })?.metric else { return "" }
    // An arm without a p-value is still one of those that were compared.
    let tested = rows.indices.filter { rows[$0].hasPairs }
    let corrected = PairedStatistics.holm(tested.map { rows[$0].p ?? 1 })
    let holm = Dictionary(uniqueKeysWithValues: zip(tested, corrected))
    let body = rows.enumerated().map { index, row in
      row.line(rate: evidence.rate(of: row.arm, in: group), holm: row.p == nil ? nil : holm[index])
    }
    return """
      ### \(task), \(metric)

      | arm | adapter numbers | file bytes | rate | seeds | mean | interval | minus LoRA | p | Holm | CPU s | peak MB |
      | --- | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |
      \(body.joined(separator: "\n"))

      ![\(metric) of \(task) against the adapter's numbers](evidence/\(task)-\(group.name).svg)
      \(rates(task, group))
      """
  }

  /// The plot of the runs that chose the learning rate, if the task has them.
  private func rates(_ task: String, _ group: EvidencePlan.Group) -> String {
    guard group.rateTasks.contains(task) else { return "" }
    return "\n![\(task) by learning rate](evidence/\(task)-\(group.name)-rates.svg)\n"
  }
}

/// An arm on a task.
private struct Row {
  let arm: String
  let metric: String
  /// The p-value against the baseline, if the pairs give one.
  let p: Double?
  /// Whether several seeds can be compared with the baseline's.
  let hasPairs: Bool
  private let runs: [EvidenceRun]
  private let difference: Double?

  init(_ arm: String, _ runs: [Int: EvidenceRun], against baseline: [Int: EvidenceRun]) {
    self.arm = arm
    self.runs = runs.sorted { $0.key < $1.key }.map(\.value)
    metric = self.runs.first?.metric ?? ""
    let differences = runs.keys.sorted().compactMap { seed in
      baseline[seed].flatMap { base in runs[seed].map { $0.reportScore - base.reportScore } }
    }
    difference = PairedStatistics.mean(differences)
    p = PairedStatistics.tTest(differences)
    hasPairs = differences.count > 1
  }

  func line(rate: Double?, holm: Double?) -> String {
    let scores = runs.map(\.reportScore)
    func shown(_ value: Double?, _ digits: Int) -> String { value.map { fixed($0, digits) } ?? "" }
    let interval = PairedStatistics.bootstrapInterval(scores)
    let ends = interval.map { fixed($0.lowerBound, 4) + " … " + fixed($0.upperBound, 4) } ?? ""
    var cells = [arm]
    cells.append(runs.first.map { String($0.adapterParameters) } ?? "")
    cells.append(runs.first.map { String($0.fileSize) } ?? "")
    cells.append(rate.map { String(format: "%g", $0) } ?? "")
    cells.append(String(scores.count))
    cells += [shown(PairedStatistics.mean(scores), 4), ends, shown(difference, 4), shown(p, 3), shown(holm, 3)]
    cells.append(shown(PairedStatistics.mean(runs.compactMap(\.cpuSeconds)), 0))
    cells.append(shown(PairedStatistics.mean(runs.map { Double($0.peakMemory) / 1e6 }), 0))
    return "| " + cells.joined(separator: " | ") + " |"
  }
}
