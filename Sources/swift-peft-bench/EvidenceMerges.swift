/// A merge of ASLoRA's: the group of the lower layer takes the B of the upper layer's.
struct EvidenceMerge: Equatable {
  let step: Int
  let module: String
  let lower: Int
  let upper: Int
}

extension EvidenceRun {
  /// The module types whose B's were merged, in the model's order.
  var mergedModules: [String] {
    merges.reduce(into: []) { modules, merge in
      if !modules.contains(merge.module) { modules.append(merge.module) }
    }
  }

  /// The layers that share one B at the end, for the largest such group of a module type, and the layer whose B it is; of equal
  /// groups the lowest.
  func largestGroup(of module: String) -> (layers: Int, owner: Int) {
    var sizes: [Int: Int] = [:]
    for merge in merges where merge.module == module {
      sizes[merge.upper, default: 1] += sizes.removeValue(forKey: merge.lower) ?? 1
    }
    let largest = sizes.max { ($0.value, $1.key) < ($1.value, $0.key) }
    return (largest?.value ?? 1, largest?.key ?? 0)
  }

  /// The merges of a module type: the step, and which layer took which.
  fileprivate func course(of module: String) -> String {
    merges.filter { $0.module == module }.map { "\($0.step): \($0.lower)→\($0.upper)" }.joined(separator: "; ")
  }
}

extension Evidence {
  /// When ASLoRA merged which groups, of the runs of the first seed, and what groups came of it in all; empty without merges.
  var merges: String {
    let subjects = plan.groups.flatMap { group in
      group.arms.flatMap { arm in group.tasks.map { (arm: arm, task: $0, runs: runs(of: arm, on: $0, in: group)) } }
    }.filter { $0.runs.values.contains { !$0.merges.isEmpty } }
    let seeds = Set(subjects.flatMap(\.runs.keys)).sorted()
    let courses = subjects.flatMap { subject -> [String] in
      guard let run = subject.runs[plan.rateSeed] else { return [] }
      let courses = run.mergedModules.map { ($0, run.course(of: $0)) }
      let isOne = courses.count > 1 && Set(courses.map(\.1)).count == 1
      return (isOne ? [("all", courses[0].1)] : courses).map { "| \(subject.arm) | \(subject.task) | \($0) | \($1) |" }
    }
    // Groups that are fixed before the first step are the same for every seed.
    let groups = subjects.filter { $0.runs.values.contains { $0.merges.contains { $0.step > 0 } } }.flatMap { subject in
      (subject.runs[plan.rateSeed]?.mergedModules ?? []).map { module in
        let cells = seeds.map { seed in
          subject.runs[seed].map { $0.largestGroup(of: module) }
            .map { $0.layers == 1 ? "1" : "\($0.layers) (\($0.owner))" } ?? ""
        }
        return "| \(subject.arm) | \(subject.task) | \(module) | \(cells.joined(separator: " | ")) |"
      }
    }
    guard !courses.isEmpty else { return "" }
    let sizes =
      groups.isEmpty
      ? ""
      : """
      How many layers share one B at the end, at most, and in brackets the layer whose B it is, by seed.

      | arm | task | module type | \(seeds.map { "seed \($0)" }.joined(separator: " | ")) |
      | --- | --- | --- | \(seeds.map { _ in "---:" }.joined(separator: " | ")) |
      \(groups.joined(separator: "\n"))

      """
    return """
      ## Merges

      The step of each merge, and which layer's group took which layer's B; seed \(plan.rateSeed).

      | arm | task | module type | merges |
      | --- | --- | --- | --- |
      \(courses.joined(separator: "\n"))

      \(sizes)
      """
  }
}
