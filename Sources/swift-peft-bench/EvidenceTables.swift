import Metrics

// The parts of docs/evidence.md that are not scores of arms.
extension Evidence {
  /// ASLoRA beside what has as many numbers, in every group that has them; empty without such pairs.
  var controls: String {
    let pairs = ["aslora-random", "aslora-static", "lora-r2"]
    var lines: [String] = []
    for group in plan.groups {
      var rows: [(label: String, differences: [Double])] = []
      for (task, other) in group.tasks.flatMap({ task in pairs.map { (task, $0) } }) where group.arms.contains(other) {
        let own = runs(of: "aslora", on: task, in: group), others = runs(of: other, on: task, in: group)
        let seeds = own.keys.filter { others[$0] != nil }.sorted()
        let differences = seeds.compactMap { seed in
          own[seed].flatMap { run in others[seed].map { run.reportScore - $0.reportScore } }
        }
        if !differences.isEmpty { rows.append(("\(task) | \(other)", differences)) }
      }
      let p = rows.map { PairedStatistics.tTest($0.differences) }
      // A row without a p-value is still one of those that were compared.
      let tested = rows.indices.filter { rows[$0].differences.count > 1 }
      let holm = Dictionary(uniqueKeysWithValues: zip(tested, PairedStatistics.holm(tested.map { p[$0] ?? 1 })))
      for (index, row) in rows.enumerated() {
        func shown(_ value: Double?, _ digits: Int) -> String { value.map { fixed($0, digits) } ?? "" }
        lines.append(
          "| \(row.label) | \(row.differences.count) | \(shown(PairedStatistics.mean(row.differences), 4)) | "
            + "\(shown(p[index], 3)) | \(shown(p[index] == nil ? nil : holm[index], 3)) |")
      }
    }
    guard !lines.isEmpty else { return "" }
    return """
      ## ASLoRA and its controls

      ASLoRA's score minus that of arms with as many numbers: merging at random, groups of neighbours fixed from the start, and
      LoRA at the rank nearest to its count. Paired by seed; Holm's correction over the rows of a group of tasks. Of a loss, less is better.

      | task | control | seeds | aslora minus control | p | Holm |
      | --- | --- | ---: | ---: | ---: | ---: |
      \(lines.joined(separator: "\n"))

      """
  }

  /// What learning from instructions costs on other text; empty without such runs.
  var forgetting: String {
    guard let base, let group = plan.groups.first(where: { $0.tasks == ["instruct"] }) else { return "" }
    let rows = group.arms.compactMap { arm -> String? in
      let runs = runs(of: arm, on: "instruct", in: group).values
      guard let answers = PairedStatistics.mean(runs.map(\.reportScore)),
        let text = PairedStatistics.mean(runs.compactMap(\.textLoss))
      else { return nil }
      return "| \(arm) | \(fixed(answers, 4)) | \(fixed(answers - base.report, 4)) | \(fixed(text, 4)) "
        + "| \(fixed(text - base.text, 4)) |"
    }
    guard !rows.isEmpty else { return "" }
    return """
      ## Forgetting

      SmolLM2's loss on the second half of the held-out instructions and on WikiText-2's validation text, which it was not trained
      on, before and after; means over the seeds, nats a token. A loss of WikiText-2 above the first row's is forgetting.

      | arm | instructions | change | WikiText-2 | change |
      | --- | ---: | ---: | ---: | ---: |
      | the model itself | \(fixed(base.report, 4)) |  | \(fixed(base.text, 4)) |  |
      \(rows.joined(separator: "\n"))

      """
  }

  /// Our runs beside those of PyTorch and PEFT; empty without the latter.
  var beside: String {
    var rows: [String] = []
    for group in plan.groups {
      for task in group.tasks {
        for arm in group.arms {
          let rate = rate(of: arm, in: group)
          let theirs = peers.filter { $0.task == task && $0.arm == arm && $0.rate == rate }.map(\.reportScore)
          let ours = runs(of: arm, on: task, in: group).values.map(\.reportScore)
          guard let their = PairedStatistics.mean(theirs), let our = PairedStatistics.mean(ours) else { continue }
          let error = PairedStatistics.standardErrorOfDifference(ours, theirs)
          rows.append(
            "| \(task) | \(arm) | \(fixed(our, 4)) (\(ours.count)) | \(fixed(their, 4)) (\(theirs.count)) | "
              + "\(fixed(our - their, 4)) | \(error.map { fixed($0, 4) } ?? "") | \(range(ours)) | \(range(theirs)) |")
        }
      }
    }
    guard !rows.isEmpty else { return "" }
    return """
      ## Beside PyTorch and PEFT

      The same model, data, halves, rates and schedule in PEFT, by `scripts/evidence/peft_check.py`. Initial values, order and
      dropout are each program's own, so that only means can be compared: mean and number of seeds, the difference with its standard
      error, and the range of the seeds.

      | task | arm | swift-peft | PEFT | difference | standard error | range | PEFT's range |
      | --- | --- | ---: | ---: | ---: | ---: | --- | --- |
      \(rows.joined(separator: "\n"))

      """
  }

  private func range(_ scores: [Double]) -> String {
    guard let least = scores.min(), let most = scores.max() else { return "" }
    return "\(fixed(least, 4)) … \(fixed(most, 4))"
  }
}
