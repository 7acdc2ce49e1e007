import Foundation
import Testing

/// `swift-peft-bench evidence` on a plan of two arms, two tasks, two rates and two seeds.
@Suite struct EvidencePageTests {
  private let sandbox: Sandbox

  init() throws {
    sandbox = try Sandbox()
    try sandbox.write("docs/evidence/answers.md", "## Answers\n\nNone.\n")
    try sandbox.write(
      "docs/evidence/plan.json",
      """
      {"settings": {"learning_rates": [0.1, 0.2], "rate_seed": 1},
       "groups": [{"name": "core", "title": "Core arms", "arms": "core", "rate_tasks": ["cola", "instruct"],
                   "tasks": ["cola", "instruct"], "seeds": [1, 2]}],
       "arms": {"core": {"lora": {}, "aslora": {}}}}
      """)
  }

  private func run(
    _ arm: String, _ task: String, _ rate: Double, _ seed: Int, first: Double, second: Double, merges: String = ""
  ) throws {
    try sandbox.write(
      "docs/evidence/runs/\(task)_\(arm)_\(rate)_\(seed).json",
      """
      {"cell": {"arm": "\(arm)", "task": "\(task)", "learning_rate": \(rate), "seed": \(seed)},
       "metric": "\(task == "cola" ? "matthews_correlation" : "loss")",
       "selection_score": \(first), "report_score": \(second), "merges": [\(merges)],
       "train_info": {"num_adapter_params": 8, "file_size": 64, "cpu_seconds": 36, "peak_memory_bytes": 5000000},
       "meta_info": {"cpu": "Zen", "program_sha256": "a"}}
      """)
  }

  private func page() throws -> String {
    let outcome = try Command(
      executable: Tool.path() + "-bench", ["evidence"], in: sandbox.place(""), input: ""
    ).finish()
    #expect(outcome.status == 0, "\(outcome.err)")
    return try sandbox.text("docs/evidence.md")
  }

  /// The rate is chosen by the first halves alone, of a loss the smaller, and by the mean of both tasks.
  @Test func firstHalvesChooseAndSecondHalvesAreShown() throws {
    for (rate, cola, loss, second) in [(0.1, 0.5, 1.0, 0.9), (0.2, 0.6, 1.2, 0.4)] {
      try run("lora", "cola", rate, 1, first: cola, second: second)
      try run("lora", "instruct", rate, 1, first: loss, second: second)
    }
    #expect(try page().contains("| lora | 8 | 64 | 0.1 | 1 | 0.9000 |"))
    try run("lora", "instruct", 0.2, 1, first: 0.5, second: 0.4)
    let changed = try page()
    #expect(changed.contains("| lora | 8 | 64 | 0.2 | 1 | 0.4000 |") && !changed.contains("0.9000"))
    #expect(changed.contains("The plan has 12 runs, those that choose the learning rates included; 8 are missing."))
  }

  @Test func armsAreComparedSeedBySeedAndMergesAreToldByType() throws {
    let merges = #"[5, "query", 2, 3], [5, "value", 0, 1], [7, "query", 1, 3], [7, "value", 1, 2]"#
    for task in ["cola", "instruct"] {
      for (arm, gain) in [("lora", 0.0), ("aslora", 0.1)] {
        for rate in [0.1, 0.2] {
          try run(
            arm, task, rate, 1, first: rate == 0.1 ? 0.5 : 0.4, second: 0.5 + gain,
            merges: arm == "aslora" ? merges : "")
        }
        try run(arm, task, 0.1, 2, first: 0.5, second: 0.7 + 2 * gain)
        try run(arm, task, 0.2, 2, first: 0.5, second: 0.7 + 2 * gain)
      }
    }
    let page = try page()
    // Differences of 0.1 and 0.2: t = 3 with one degree of freedom, p = 0.205.
    #expect(page.contains("| aslora | 8 | 64 | 0.1 | 2 | 0.7500 | 0.6112 … 0.8887 | 0.1500 | 0.205 | 0.205 | 36 | 5 |"))
    #expect(page.contains("| aslora | cola | query | 5: 2→3; 7: 1→3 |"))
    #expect(page.contains("| aslora | cola | value | 5: 0→1; 7: 1→2 |"))
    #expect(page.contains("| aslora | cola | query | 3 (3) | 1 |"))
    #expect(page.contains("| aslora | cola | value | 3 (2) | 1 |"))
  }
}
